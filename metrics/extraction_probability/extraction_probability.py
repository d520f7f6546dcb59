# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `extraction_math` and `sampling_math`. Owns columns and types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .extraction_math import N, P, discoverable_summary, extraction_lists
from .intervals import CONFIDENCE
from .sampling_math import extraction_items

CITATION = """\
@misc{hayes2024measuring,
  title = {Measuring memorization in language models via probabilistic extraction},
  author = {Hayes, Jamie and Swanberg, Marika and Chaudhari, Harsh and Yona, Itay and Shumailov, Ilia and Nasr, Milad
    and Choquette-Choo, Christopher A. and Lee, Katherine and Cooper, A. Feder},
  year = {2024},
  eprint = {2410.19482},
  archivePrefix = {arXiv}
}
"""


class ExtractionProbability(evaluate.Metric):
    """How probable it is that sampling a model gives an answer, and how many samples that takes.

    Args:
        predictions: list[list[float]], the log-probabilities of each answer's tokens in nats, the true tokens before
            them given, one list an item.
        n: list[int], numbers of samples; [1, 10, 100].
        p: list[float], probabilities from which on an answer counts as extractable; [0.1, 0.5, 0.9].
        persona_id: list[str], the person behind each item; rows of one person count as dependent. Default: items.
        return_items: Add the lists item_logprob, item_extraction_probability_nN, item_samples_pP, and log10 of both.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        For each n extraction_probability_nN (0-1, mean of 1 - (1 - q)^n, q the probability of the whole answer) and
        its log10; for each pair discoverable_nN_pP (0-1, share of items at which that reaches p); for each p
        samples_pP (1 and up, the fewest samples with which half of the items reach it) and its log10; n (items).
        Means, shares and medians with _ci_low and _ci_high as far as the items set bounds. Higher = more memorized,
        except samples.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="How probable it is that sampling a model gives an answer, and how many samples that takes.",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features({"predictions": datasets.List(datasets.Value("float64"))}),
            reference_urls=["https://arxiv.org/abs/2410.19482"],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        *,
        n: list[int] | tuple[int, ...] = N,
        p: list[float] | tuple[float, ...] = P,
        persona_id: list[str] | None = None,
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        items = extraction_items(predictions)
        summary: dict[str, Any] = dict(
            discoverable_summary(
                items, n=n, p=p, persona_id=persona_id, persona_seed=persona_seed, confidence=confidence
            )
        )
        if return_items:
            summary.update(extraction_lists(items, n=n, p=p))
        return summary
