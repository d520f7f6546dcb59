# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `priv_leak_math`. Owns the columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .intervals import CONFIDENCE
from .min_k_math import token_scores
from .priv_leak_math import priv_leak_items, priv_leak_summary

CITATION = """\
@inproceedings{shi2025muse,
  title = {{MUSE}: Machine Unlearning Six-Way Evaluation for Language Models},
  author = {Shi, Weijia and Lee, Jaechan and Huang, Yangsibo and Malladi, Sadhika and Zhao, Jieyu and Holtzman, Ari
    and Liu, Daogao and Zettlemoyer, Luke and Smith, Noah A. and Zhang, Chiyuan},
  booktitle = {The Thirteenth International Conference on Learning Representations},
  year = {2025}
}
"""


class PrivLeak(evaluate.Metric):
    """Whether forgotten rows can still be told from rows never learned, against a model that never saw either.

    Args:
        predictions: list[list[float]], log-probability of each token of each row in nats, at most 0.
        references: list[int], 1 for forget rows, 0 for holdout rows.
        auc_retain_only: float, the same AUC of a model that never saw the forget rows.
        retain_only_predictions: list[list[float]], or that model's log-probabilities of the same rows.
        k: Share of each row's least likely tokens that is averaged; 0.4 as in MUSE.
        persona_id: list[str], the person behind each row; rows of one person count as dependent. Default: rows.
        return_items: Add the list item_score, and item_retain_only_score with retain_only_predictions.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        priv_leak (percent, -100 and up; 0 = as the retain-only model, below = under-unlearned, above =
        over-unlearned), auc (0-1; the chance that a holdout row is likelier than a forget row), each with _ci_low and
        _ci_high; auc_retain_only, n_forget, n_holdout, n.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Whether forgotten rows can be told from rows never learned, by their Min-K% likelihood.",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.Value("int64"),
                }
            ),
            reference_urls=["https://arxiv.org/abs/2407.06460", "https://arxiv.org/abs/2310.16789"],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[int],
        *,
        auc_retain_only: float | None = None,
        retain_only_predictions: list[list[float]] | None = None,
        k: float = 0.4,
        persona_id: list[str] | None = None,
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        retain_only_score = None
        if retain_only_predictions is not None:
            retain_only_score = token_scores(retain_only_predictions, k=k).min_k
        items = priv_leak_items(token_scores(predictions, k=k).min_k, references, retain_only_score=retain_only_score)
        summary: dict[str, Any] = dict(
            priv_leak_summary(
                items,
                auc_retain_only=auc_retain_only,
                persona_id=persona_id,
                persona_seed=persona_seed,
                confidence=confidence,
            )
        )
        if return_items:
            summary.update(items.as_lists())
        return summary
