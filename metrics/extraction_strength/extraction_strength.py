# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `strength_math`. Owns the columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .intervals import CONFIDENCE
from .sampling_math import extraction_items, extraction_summary
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
@misc{hayes2024measuring,
  title = {Measuring memorization in language models via probabilistic extraction},
  author = {Hayes, Jamie and Swanberg, Marika and Chaudhari, Harsh and Yona, Itay and Shumailov, Ilia and Nasr, Milad
    and Choquette-Choo, Christopher A. and Lee, Katherine and Cooper, A. Feder},
  year = {2024},
  eprint = {2410.19482},
  archivePrefix = {arXiv}
}
"""


class ExtractionStrength(evaluate.Metric):
    """How much of each answer a model completes by itself once it is given the beginning.

    Args:
        predictions: list[list[int]], the model's likeliest token at each place of the answer, the true tokens before
            it given, one list an item.
        references: list[list[int]], the answer's tokens.
        persona_id: list[str], the person behind each item; rows of one person count as dependent. Default: items.
        logprobs: list[list[float]], log-probability in nats of each answer token, the true tokens before it given;
            adds extraction_probability and discoverable.
        num_samples: n, how often the model is sampled at temperature 1; 100.
        probability: p, from which on an answer counts as extracted; 0.5.
        return_items: Add the lists item_num_tokens, item_extraction_strength, item_token_match and item_all_match;
            with logprobs item_extraction_probability.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        extraction_strength, token_match and all_match (0-1, higher = more memorized, about 0 by chance), each with
        _ci_low and _ci_high; n. With logprobs also extraction_probability (0-1, probability of at least one such
        answer in n samples) and discoverable (0-1, share of the answers at which it reaches p).
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
            reference_urls=["https://arxiv.org/abs/2506.12618", "https://arxiv.org/abs/2410.19482"],
        )

    def _compute(
        self,
        predictions: list[list[int]],
        references: list[list[int]],
        *,
        persona_id: list[str] | None = None,
        logprobs: list[list[float]] | None = None,
        num_samples: int = 100,
        probability: float = 0.5,
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        items = strength_items(token_matches(predictions, references))
        summary: dict[str, Any] = dict(
            strength_summary(items, persona_id=persona_id, persona_seed=persona_seed, confidence=confidence)
        )
        lists: dict[str, Any] = items.as_lists()
        if logprobs is not None:
            sampled = extraction_items(logprobs, num_tokens=items.num_tokens)
            summary |= extraction_summary(
                sampled,
                num_samples=num_samples,
                probability=probability,
                persona_id=persona_id,
                persona_seed=persona_seed,
                confidence=confidence,
            )
            lists["item_extraction_probability"] = sampled.extraction_probability(num_samples).tolist()
        if return_items:
            summary.update(lists)
        return summary
