# SPDX-License-Identifier: Apache-2.0
"""Which losses can be selected, by name. A new one is a function in `losses` and a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from crossmem_hf.logprobs import AnswerScores
from crossmem_hf.training import losses


@dataclass(frozen=True, slots=True)
class RoleScores:
    """What is known of one set of rows in a step.

    Attributes:
        policy: Scores of its answers under the model that trains.
        reference_B: Their summed log-probabilities under the model as it was before unlearning, if a term asks.
        reference: Their scores under that model, with whole distributions or hidden states, if a term asks.
    """

    policy: AnswerScores
    reference_B: Tensor | None = None
    reference: AnswerScores | None = None


@dataclass(frozen=True, slots=True)
class HyperParameters:
    """Numbers that losses take beside scores: see `UnlearnConfig`; `target_D` is where RMU steers hidden states."""

    beta: float
    delta: float = 0.0
    target_D: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One part of an unlearning objective.

    Attributes:
        per_row: From the roles, by name, and the hyper-parameters: (B,) losses.
        roles: The sets it reads: "forget" (the secrets), "refusal" (refusals in their place), "retain".
        needs_reference: It reads `reference_B` of its roles.
        needs_logits: It reads whole distributions, of the policy and of the reference.
        needs_hidden: It reads hidden states of the policy.
        needs_reference_hidden: It reads hidden states of the reference as well.
        beta: Its published beta; None if it has none.
        weight: Its published weight.
    """

    per_row: Callable[[Mapping[str, RoleScores], HyperParameters], Tensor]
    roles: tuple[str, ...] = ("forget",)
    needs_reference: bool = False
    needs_logits: bool = False
    needs_hidden: bool = False
    needs_reference_hidden: bool = False
    beta: float | None = None
    weight: float = 1.0

    @property
    def runs_reference(self) -> bool:
        """Whether each step runs the reference; sums of fixed rows are worked out once instead."""
        return self.needs_logits or self.needs_reference_hidden


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "the trainer gives a term what its flags ask for"
    return tensor


def _tokens(roles: Mapping[str, RoleScores]) -> tuple[Tensor, Tensor]:
    """The log-probability of each token of the answers to forget, and where there is one."""
    policy = roles["forget"].policy
    return policy.token_logprobs_BT, policy.mask_BT


def _npo(roles: Mapping[str, RoleScores], hyper: HyperParameters) -> Tensor:
    return losses.npo(roles["forget"].policy.sums_B, _given(roles["forget"].reference_B), beta=hyper.beta)


def _simnpo(roles: Mapping[str, RoleScores], hyper: HyperParameters) -> Tensor:
    return losses.simnpo(*_tokens(roles), beta=hyper.beta, delta=hyper.delta)


def _dpo(roles: Mapping[str, RoleScores], hyper: HyperParameters) -> Tensor:
    chosen, rejected = roles["refusal"], roles["forget"]
    return losses.dpo(
        chosen.policy.sums_B,
        rejected.policy.sums_B,
        _given(chosen.reference_B),
        _given(rejected.reference_B),
        beta=hyper.beta,
    )


def _undial(roles: Mapping[str, RoleScores], hyper: HyperParameters) -> Tensor:
    policy, reference = roles["forget"].policy, roles["forget"].reference
    return losses.undial(
        _given(policy.logits_NV), _logits(reference), policy.answers_N, policy.mask_BT, beta=hyper.beta
    )


def _rmu(roles: Mapping[str, RoleScores], hyper: HyperParameters) -> Tensor:
    policy = roles["forget"].policy
    return losses.representation_mse(_given(policy.hidden_ND), _given(hyper.target_D), policy.mask_BT)


def _nll_of(role: str) -> Callable[[Mapping[str, RoleScores], HyperParameters], Tensor]:
    return lambda roles, _: losses.nll(roles[role].policy.token_logprobs_BT, roles[role].policy.mask_BT)


def _kl(roles: Mapping[str, RoleScores], _: HyperParameters) -> Tensor:
    policy, reference = roles["retain"].policy, roles["retain"].reference
    return losses.kl(_given(policy.logits_NV), _logits(reference), policy.mask_BT)


def _hidden(roles: Mapping[str, RoleScores], _: HyperParameters) -> Tensor:
    policy, reference = roles["retain"].policy, roles["retain"].reference
    kept = _given(None if reference is None else reference.hidden_ND)
    return losses.representation_mse(_given(policy.hidden_ND), kept, policy.mask_BT)


def _logits(scores: AnswerScores | None) -> Tensor:
    return _given(None if scores is None else scores.logits_NV)


BOTH = ("refusal", "forget")

FORGET_TERMS = {  # betas and SimNPO's weight as open-unlearning sets them; 0.1 is NPO's and TOFU's own
    "ga": Term(lambda roles, _: losses.ga(roles["forget"].policy.sums_B)),
    "npo": Term(_npo, needs_reference=True, beta=0.1),
    "simnpo": Term(_simnpo, beta=4.5, weight=0.125),
    "idk": Term(_nll_of("refusal"), roles=("refusal",)),
    "dpo": Term(_dpo, roles=BOTH, needs_reference=True, beta=0.1),
    "wga": Term(lambda roles, hyper: losses.wga(*_tokens(roles), beta=hyper.beta), beta=1.0),
    "undial": Term(_undial, needs_logits=True, beta=10.0),
    "rmu": Term(_rmu, needs_hidden=True),
}

RETAIN_TERMS = {
    "nll": Term(_nll_of("retain"), roles=("retain",)),
    "kl": Term(_kl, roles=("retain",), needs_logits=True),
    "hidden": Term(_hidden, roles=("retain",), needs_hidden=True, needs_reference_hidden=True),
}
