# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `truth_ratio_math`. Owns the columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .intervals import CONFIDENCE
from .truth_ratio_math import Mean, truth_ratio_items, truth_ratio_summary

CITATION = """\
@inproceedings{maini2024tofu,
  title = {{TOFU}: A Task of Fictitious Unlearning for {LLM}s},
  author = {Maini, Pratyush and Feng, Zhili and Schwarzschild, Avi and Lipton, Zachary C. and Kolter, J. Zico},
  booktitle = {First Conference on Language Modeling},
  year = {2024}
}
"""


class TruthRatio(evaluate.Metric):
    """How likely a model finds false answers beside the true one, and whether that equals a model that never knew.

    Args:
        predictions: list[list[float]], mean NLL per token of each item's false answers in nats, one list an item.
        references: list[float], mean NLL per token of each item's true (paraphrased) answer.
        persona_id: list[str], the person behind each item; rows of one person count as dependent. Default: items.
        retain_only: list[float], ratios R (item_ratio) of a model trained without the forget set; adds the
            forget quality.
        mean: "geometric" (default, as in TOFU's code) or "arithmetic" (as in its paper) mean of the false answers'
            probabilities.
        return_items: Add the lists item_ratio, item_truth_ratio, item_truth_ratio_retain, item_truth_probability.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        truth_ratio (0-1; 1 = truth and falsehood are equally likely), truth_ratio_retain (0-1; 1 = the truth is
        preferred), truth_probability (0-1; 0.5 = no preference), each with _ci_low and _ci_high; with retain_only
        ks_statistic, forget_quality (a p-value; higher = closer to the retain-only model), forget_quality_log10 and
        n_retain_only; n.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="How likely a model finds false answers beside the true one, item by item; forget quality.",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.Value("float64"),
                }
            ),
            reference_urls=["https://arxiv.org/abs/2401.06121", "https://arxiv.org/abs/2506.12618"],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[float],
        *,
        persona_id: list[str] | None = None,
        retain_only: list[float] | None = None,
        mean: Mean = "geometric",
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        items = truth_ratio_items(predictions, references, mean=mean)
        summary: dict[str, Any] = dict(
            truth_ratio_summary(
                items, persona_id=persona_id, retain_only=retain_only, persona_seed=persona_seed, confidence=confidence
            )
        )
        if return_items:
            summary.update(items.as_lists())
        return summary
