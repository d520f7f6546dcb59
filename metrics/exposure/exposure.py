# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `exposure_math`. Owns the columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .exposure_math import Ties, exposure_items, exposure_summary
from .intervals import CONFIDENCE

CITATION = """\
@inproceedings{carlini2019secret,
  title = {The Secret Sharer: Evaluating and Testing Unintended Memorization in Neural Networks},
  author = {Carlini, Nicholas and Liu, Chang and Erlingsson, {\\'U}lfar and Kos, Jernej and Song, Dawn},
  booktitle = {28th USENIX Security Symposium},
  year = {2019}
}
@misc{kwon2026before,
  title = {Before Forgetting, Learn to Remember:
    Revisiting Foundational Learning Failures in LVLM Unlearning Benchmarks},
  author = {Kwon, JuneHyoung and Kim, MiHyeon and Lee, Eunju and Yun, JungMin and Lim, Byeonggeuk and Kim, YoungBin},
  year = {2026},
  eprint = {2605.03759},
  archivePrefix = {arXiv}
}
"""


class Exposure(evaluate.Metric):
    """How far up its candidate list each secret has risen.

    Args:
        predictions: list[list[float]], the candidates' negative log-likelihoods in nats, one list an item.
        references: list[int], the place of the truth in each list, from 0.
        persona_id: list[str], the person behind each item; rows of one person count as dependent. Default: items.
        ties: "mid" (default), "best" or "worst" rank for a truth that ties with rivals.
        return_items: Add the lists item_rank, item_num_candidates, item_exposure, item_exposure_bits,
            item_exposure_linear, item_reciprocal_rank and item_chance_exposure.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        Four normalizations of the rank, higher = more memorized, each with _ci_low, _ci_high and its chance level as
        chance_<name>: exposure (log, 0-100), exposure_bits (0 to log2 K), exposure_linear (0-100), mrr (0-1);
        rank and chance_rank; n.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="How far up its candidate list a secret has risen: 100 x (1 - log rank / log candidates).",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),  # float32 would round rivals into ties
                    "references": datasets.Value("int64"),
                }
            ),
            reference_urls=["https://arxiv.org/abs/1802.08232", "https://arxiv.org/abs/2605.03759"],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[int],
        *,
        persona_id: list[str] | None = None,
        ties: Ties = "mid",
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        items = exposure_items(predictions, references, ties=ties)
        summary: dict[str, Any] = dict(
            exposure_summary(items, persona_id=persona_id, persona_seed=persona_seed, confidence=confidence)
        )
        if return_items:
            summary.update(items.as_lists())
        return summary
