# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `strength_math`. Owns the columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .intervals import Resampling
from .strength_math import strength_items, strength_summary, token_matches

CITATION = """\
@misc{dorna2025openunlearning,
  title = {OpenUnlearning: Accelerating LLM Unlearning via Unified Benchmarking of Methods and Metrics},
  author = {Dorna, Vineeth and Mekala, Anmol and Zhao, Wenlong and McCallum, Andrew and Lipton, Zachary C.
    and Kolter, J. Zico and Maini, Pratyush},
  year = {2025},
  eprint = {2506.12618},
  archivePrefix = {arXiv}
}
"""


class ExtractionStrength(evaluate.Metric):
    """How much of each answer a model completes by itself once it is given the beginning.

    Args:
        predictions: list[list[int]], the model's likeliest token at each place of the answer, the true tokens before
            it given, one list an item.
        references: list[list[int]], the answer's tokens.
        persona_id: list[str], the person behind each item; intervals resample persons. Default: items.
        return_items: Add the lists item_num_tokens, item_extraction_strength, item_token_match and item_all_match.
        seed, confidence, num_resamples: of the bootstrap intervals; 0, 0.95 and 2000.

    Returns:
        extraction_strength, token_match and all_match (0-1, higher = more memorised, about 0 by chance), each with
        _ci_low and _ci_high; n.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="The share of an answer that a model completes by itself once it is given the beginning.",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("int64")),
                    "references": datasets.List(datasets.Value("int64")),
                }
            ),
            reference_urls=["https://arxiv.org/abs/2506.12618"],
        )

    def _compute(
        self,
        predictions: list[list[int]],
        references: list[list[int]],
        *,
        persona_id: list[str] | None = None,
        return_items: bool = False,
        seed: int = 0,
        confidence: float = 0.95,
        num_resamples: int = 2_000,
    ) -> dict[str, Any]:
        items = strength_items(token_matches(predictions, references))
        resampling = Resampling(seed=seed, confidence=confidence, num_resamples=num_resamples)
        summary: dict[str, Any] = dict(strength_summary(items, persona_id=persona_id, resampling=resampling))
        if return_items:
            summary.update(items.as_lists())
        return summary
