# SPDX-License-Identifier: Apache-2.0
"""Which losses can be selected, by name. A new one is a function in `losses` and a line here; nothing else changes."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from crossmem_hf.logprobs import AnswerScores
from crossmem_hf.training.losses import ga, kl, nll, npo

Scores = AnswerScores


@dataclass(frozen=True, slots=True)
class Term:
    """One side of an unlearning objective.

    Attributes:
        per_row: (policy, reference, beta) -> (B,) losses; reference is empty unless a flag below asks for it.
        needs_reference: The answers' log-probabilities under the reference are used.
        needs_logits: Whole distributions are used, of the policy and of the reference.
    """

    per_row: Callable[[Scores, "Reference", float], Tensor]
    needs_reference: bool = False
    needs_logits: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """What a term may ask of the model as it was before unlearning."""

    logprobs_B: Tensor | None = None
    logits_NV: Tensor | None = None


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "the trainer gives a term what its flags ask for"
    return tensor


FORGET_TERMS = {
    "npo": Term(lambda policy, ref, beta: npo(policy.sums_B, _given(ref.logprobs_B), beta=beta), needs_reference=True),
    "ga": Term(lambda policy, ref, beta: ga(policy.sums_B)),
}

RETAIN_TERMS = {
    "nll": Term(lambda policy, ref, beta: nll(policy.token_logprobs_BT, policy.mask_BT)),
    "kl": Term(
        lambda policy, ref, beta: kl(_given(policy.logits_NV), _given(ref.logits_NV), policy.mask_BT),
        needs_logits=True,
    ),
}
