# SPDX-License-Identifier: Apache-2.0
from typing import get_args

import torch

from crossmem_hf.logprobs import score_logits
from crossmem_hf.training.config import ForgetLoss, RetainLoss
from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS, Reference


def test_every_choice_has_a_term_and_every_term_is_a_choice():
    assert set(get_args(ForgetLoss)) == set(FORGET_TERMS)
    assert set(get_args(RetainLoss)) == set(RETAIN_TERMS) | {"none"}


def test_every_term_gives_one_differentiable_value_a_row():
    logits = torch.randn(2, 4, 5, requires_grad=True)
    policy = score_logits(logits, torch.tensor([[-100, -100, 1, 2], [-100, 3, -100, -100]]))
    for name, term in (FORGET_TERMS | RETAIN_TERMS).items():
        reference = Reference(
            logprobs_B=policy.sums_B.detach() - 1 if term.needs_reference else None,
            logits_NV=torch.zeros_like(policy.logits_NV) if term.needs_logits else None,
        )
        losses = term.per_row(policy, reference, 0.1)
        assert losses.shape == (2,), name
        (gradient,) = torch.autograd.grad(losses.sum(), logits, retain_graph=True)
        assert gradient.abs().sum() > 0, name
