# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `min_k_math` and `membership_math`. Owns columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .intervals import CONFIDENCE
from .membership_math import membership_summary
from .min_k_math import token_scores

CITATION = """\
@inproceedings{shi2024detecting,
  title = {Detecting Pretraining Data from Large Language Models},
  author = {Shi, Weijia and Ajith, Anirudh and Xia, Mengzhou and Huang, Yangsibo and Liu, Daogao and Blevins, Terra
    and Chen, Danqi and Zettlemoyer, Luke},
  booktitle = {International Conference on Learning Representations},
  year = {2024}
}
@misc{zhang2024mink,
  title = {Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large Language Models},
  author = {Zhang, Jingyang and Sun, Jingwei and Yeats, Eric and Yang, Ouyang and Kuo, Martin and Zhang, Jianyi
    and Yang, Hao and Li, Hai},
  year = {2024},
  eprint = {2404.02936},
  archivePrefix = {arXiv}
}
@misc{li2024membership,
  title = {Membership Inference Attacks against Large Vision-Language Models},
  author = {Li, Zhan and Wu, Yongtao and Chen, Yihang and Tonin, Francesco and Abad Rocamora, Elias
    and Cevher, Volkan},
  year = {2024},
  eprint = {2411.02902},
  archivePrefix = {arXiv}
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


class MinKProb(evaluate.Metric):
    """How much a model expects answers, and whether that betrays which of them it was trained on.

    Args:
        predictions: list[list[float]], the log-probabilities of each answer's tokens in nats, one list an item.
        references: list[int], 1 where the model was trained on the item, 0 where it was not.
        token_means, token_stds: list[list[float]], mean and standard deviation of log p over the vocabulary, under
            the model's own distribution, at each token's place; together they give Min-K%++ and MaxRényi-K%.
        reference_logprobs: list[list[float]], the log-probabilities of the same tokens under a model that was trained
            on none of the items; gives reference_ratio.
        gradient_norms: list[float], the length of the gradient of each item's loss; gives auroc_gradient_norm.
        k: Share of the tokens that counts, the least expected ones, at least one token. Default 0.2.
        persona_id: list[str], the person behind each item; rows of one person count as dependent. Default: items.
        return_items: Add the lists item_num_tokens, item_logprob, item_min_k, item_min_k_prob,
            item_min_k_plus_plus, item_max_renyi, item_reference_ratio, item_inverse_perplexity and
            item_answer_probability.
        persona_seed: list of the seed of each row's population of personas, if there are several: intervals then
            hold for further seeds, and are wide below five.
        confidence: of the intervals; 0.95.

    Returns:
        min_k and logprob_per_token (nats), min_k_prob and inverse_perplexity (0-100), answer_probability (0-1) and
        perplexity; with token statistics min_k_plus_plus and max_renyi (nats); with a reference model reference_ratio
        (nats a token); where both labels occur each of these scores with auroc_ before its name (0-1, 0.5 by chance),
        and with tpr_at_1_fpr_ the share of trained items found at 1 % false positives (0-1, at most 0.01 by chance):
        min_k, min_k_plus_plus, max_renyi, reference_ratio, gradient_norm, perplexity and answer_probability. Each with
        _ci_low and _ci_high as far as the items set bounds; n, n_members. Higher = more expected, except perplexity
        and max_renyi.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Min-K%, Min-K%++, MaxRényi-K%, perplexity of answers; do they tell what was trained on?",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.Value("int64"),
                }
            ),
            reference_urls=[
                "https://arxiv.org/abs/2310.16789",
                "https://arxiv.org/abs/2404.02936",
                "https://arxiv.org/abs/2411.02902",
                "https://arxiv.org/abs/2605.03759",
            ],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[int],
        *,
        token_means: list[list[float]] | None = None,
        token_stds: list[list[float]] | None = None,
        reference_logprobs: list[list[float]] | None = None,
        gradient_norms: list[float] | None = None,
        k: float = 0.2,
        persona_id: list[str] | None = None,
        return_items: bool = False,
        persona_seed: list[Any] | None = None,
        confidence: float = CONFIDENCE,
    ) -> dict[str, Any]:
        scores = token_scores(
            predictions, token_means, token_stds, reference=reference_logprobs, gradient_norms=gradient_norms, k=k
        )
        summary: dict[str, Any] = dict(
            membership_summary(
                scores, references, persona_id=persona_id, persona_seed=persona_seed, confidence=confidence
            )
        )
        if return_items:
            summary.update(scores.as_lists())
        return summary
