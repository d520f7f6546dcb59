# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `diagnosis_math`. Owns the columns and their types; knows no rule."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from .answer_rules import OUTCOMES
from .diagnosis_math import diagnose_items, diagnosis_summary
from .intervals import CONFIDENCE
from .matching import Names, accepted_names, checked_answers


class ForgetDiagnosis(evaluate.Metric):
    """What became of each fact that was to be forgotten: forgotten, refused, collapsed or still known.

    Args:
        predictions: list[str], the model's whole answers.
        references: list[str] or list[list[str]], the truth, or all accepted spellings of it; may be mixed.
        truth_rank: list[float], place of each truth among its candidates by likelihood, 1 = likeliest.
        num_candidates: int or list[int], the candidates of each item, at least 2; goes with truth_rank.
        perplexity: list[float | None], of each answer under a model that was not unlearned.
        perplexity_limit: float, above it an answer is noise; goes with perplexity.
        refusals: list[str], phrases that mark a refusal beside the built-in English ones.
        persona_id: list[str], the person behind each item; rows of one person count as dependent. Default: items.
        return_items: Add the lists item_outcome and item_reason.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        still_known, refused, collapsed, forgotten (0-1, they sum to 1) and said; with ranks also latent,
        normalized_rank and normalized_rank_forgotten (0-1); each with _ci_low and _ci_high; chance_first,
        chance_rank_forgotten, n_forgotten; n.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=f"What became of facts that were to be forgotten: {', '.join(OUTCOMES)}.",
            citation="",
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("string"),
                    "references": datasets.List(datasets.Value("string")),
                }
            ),
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
        *,
        truth_rank: list[float] | None = None,
        num_candidates: int | list[int] | None = None,
        perplexity: list[float | None] | None = None,
        perplexity_limit: float | None = None,
        refusals: Sequence[str] = (),
        persona_id: list[str] | None = None,
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        items = diagnose_items(
            predictions,
            references,
            truth_rank=truth_rank,
            num_candidates=num_candidates,
            perplexity=perplexity,
            perplexity_limit=perplexity_limit,
            refusals=refusals,
        )
        summary: dict[str, Any] = dict(
            diagnosis_summary(items, persona_id=persona_id, persona_seed=persona_seed, confidence=confidence)
        )
        if return_items:
            summary.update(items.as_lists())
        return summary
