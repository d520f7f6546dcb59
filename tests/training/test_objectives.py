# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from crossmem_hf.logprobs import score_logits
from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS, HyperParameters, RoleScores

TERMS = FORGET_TERMS | RETAIN_TERMS
LABELS = torch.tensor([[-100, -100, 1, 2], [-100, 3, -100, -100]])


def requested(term, name, logits, hidden):
    """A role with what the term's flags ask for, and nothing else."""
    policy = score_logits(logits, LABELS)
    other = replace(score_logits(logits.detach() + torch.arange(5.0), LABELS), hidden_ND=torch.zeros(3, 6))
    return RoleScores(
        replace(policy, logits_NV=policy.logits_NV if term.needs_logits else None, hidden_ND=hidden),
        reference_B=policy.sums_B.detach() - 1 if term.needs_reference and name != "retain" else None,
        reference=other if term.runs_reference else None,
    )


@pytest.mark.parametrize("name", TERMS)
def test_every_term_gives_one_differentiable_value_a_row(name):
    term = TERMS[name]
    logits, hidden = torch.randn(2, 4, 5, requires_grad=True), torch.randn(3, 6, requires_grad=True)
    roles = {
        role: requested(term, role, logits * (2 if role == "refusal" else 1), hidden if term.needs_hidden else None)
        for role in term.roles
    }
    losses = term.per_row(roles, HyperParameters(beta=0.1, target_D=torch.ones(6)))
    assert losses.shape == (2,)
    (gradient,) = torch.autograd.grad(losses.sum(), hidden if term.needs_hidden else logits)
    assert gradient.abs().sum() > 0


def test_what_a_batch_was_not_given_is_an_error():
    policy = score_logits(torch.zeros(2, 4, 5), LABELS)
    with pytest.raises(AssertionError, match="what its flags ask for"):
        FORGET_TERMS["npo"].per_row({"forget": RoleScores(policy)}, HyperParameters(beta=0.1))


def test_only_whole_distributions_and_hidden_states_run_the_reference():
    assert {name for name, term in TERMS.items() if term.runs_reference} == {"undial", "kl", "hidden"}
