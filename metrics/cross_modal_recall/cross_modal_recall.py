# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `recall_math`. Owns the columns and their types; knows no formula."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from .intervals import CONFIDENCE
from .matching import Match, Names, accepted_names, checked_answers
from .recall_math import recall_summary

CITATION = """\
@misc{wen2025quantifying,
  title = {Quantifying Cross-Modality Memorization in Vision-Language Models},
  author = {Wen, Yuxin and Huang, Yangsibo and Goldstein, Tom and Kumar, Ravi and Ghazi, Badih and Zhang, Chiyuan},
  year = {2025},
  eprint = {2506.05198},
  archivePrefix = {arXiv}
}
"""


class CrossModalRecall(evaluate.Metric):
    """Recall of names by the modality they were learned in and the one they are asked in.

    Args:
        predictions: list[str], the model's answers.
        references: list[str] or list[list[str]], the full name, or all accepted spellings of it; may be mixed.
        source: list of "image" or "text", the modality each name was learned in.
        target: list of "image" or "text", the modality each question was asked in.
        persona_id: list[str], the person behind each row; rows of one person count as dependent.
        match: "exact" (default) or "contains", in any script; see the card for what does not count.
        num_candidates: int or list[int], the names a guesser could choose from; adds chance.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        image_to_image, image_to_text, text_to_image, text_to_text (0-1), gap_image, gap_text (-1 to 1),
        transfer_image, transfer_text (0 and up), each with _ci_low, _ci_high and _n, and chance. Keys without
        rows, and ratios whose denominator is 0, are left out.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Recall of names by the modality they were learned in and the one they are asked in.",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("string"),
                    "references": datasets.List(datasets.Value("string")),
                    "source": datasets.Value("string"),
                    "target": datasets.Value("string"),
                    "persona_id": datasets.Value("string"),
                }
            ),
            reference_urls=["https://arxiv.org/abs/2506.05198"],
        )

    # evaluate appends the inputs' description to the docstrings of these two, so they must have one.
    def add(self, *, prediction: str | None = None, reference: Names | None = None, **row: Any) -> None:
        """Keep one row for `compute`."""
        columns = {name: [value] for name, value in row.items()}
        self.add_batch(predictions=[prediction], references=[reference], **columns)

    def add_batch(
        self, *, predictions: Sequence[Any] | None = None, references: Sequence[Any] | None = None, **columns: Any
    ) -> None:
        """Keep rows for `compute`. Checked here, because Arrow would turn a number, or a list, into a string."""
        answers = checked_answers([] if predictions is None else predictions)
        names = [accepted_names(names, row) for row, names in enumerate([] if references is None else references)]
        super().add_batch(predictions=answers, references=names, **columns)

    def _compute(
        self,
        predictions: list[str],
        references: list[list[str]],
        source: list[str],
        target: list[str],
        persona_id: list[str],
        *,
        match: Match = "exact",
        num_candidates: int | list[int] | None = None,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        return recall_summary(
            predictions,
            references,
            source,
            target,
            persona_id,
            match=match,
            num_candidates=num_candidates,
            persona_seed=persona_seed,
            confidence=confidence,
        )
