# SPDX-License-Identifier: Apache-2.0
import math

import numpy
import pytest
import torch

from crossmem_hf.training.losses import ga, kl, nll, npo

POLICY = torch.tensor([-1.0, -7.5, -30.0], dtype=torch.float64)
REFERENCE = torch.tensor([-2.0, -7.0, -3.0], dtype=torch.float64)
MASK = torch.tensor([[True, True, False], [False, True, False]])


@pytest.mark.invariant
@pytest.mark.parametrize("beta", [0.05, 0.1, 0.5, 2.0])
def test_npo_at_the_reference_is_two_over_beta_log_two(beta):
    expected = torch.full((3,), 2 / beta * math.log(2), dtype=torch.float64)
    torch.testing.assert_close(npo(REFERENCE, REFERENCE, beta=beta), expected)


def test_npo_equals_a_numpy_oracle():
    beta = 0.3
    ratio = (POLICY - REFERENCE).numpy()
    oracle = -2 / beta * numpy.log(1 / (1 + numpy.exp(beta * ratio)))
    numpy.testing.assert_allclose(npo(POLICY, REFERENCE, beta=beta).numpy(), oracle, rtol=1e-12)


def test_npo_falls_to_zero_as_the_answer_becomes_unlikely():
    falling = torch.tensor([-1.0, -10.0, -100.0, -1000.0], dtype=torch.float64)
    losses = npo(falling, torch.full_like(falling, -1.0), beta=0.1)
    assert (losses.diff() < 0).all()
    assert 0 <= losses[-1] < 1e-30


def test_npo_uses_the_sum_of_each_sequence_not_of_the_batch():
    together = npo(POLICY, REFERENCE, beta=0.1)
    apart = torch.cat([npo(POLICY[i : i + 1], REFERENCE[i : i + 1], beta=0.1) for i in range(3)])
    assert torch.equal(together, apart)
    assert not torch.isclose(together.mean(), npo(POLICY.mean(), REFERENCE.mean(), beta=0.1))


def test_npo_becomes_gradient_ascent_as_beta_vanishes():
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.randn(5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()

    def gradient(loss):
        return torch.autograd.grad(loss(torch.nn.functional.logsigmoid(inputs @ weights)).mean(), weights)[0]

    reference = torch.nn.functional.logsigmoid(inputs @ (weights.detach() + 1.0))
    ascent = gradient(ga)
    for beta, tolerance in ((1e-2, 1e-3), (1e-6, 1e-10)):
        preference = gradient(lambda lp, beta=beta: npo(lp, reference, beta=beta))
        assert torch.nn.functional.cosine_similarity(preference, ascent, dim=0) > 1 - tolerance
    torch.testing.assert_close(preference, ascent, rtol=1e-5, atol=1e-8)
    assert (
        torch.nn.functional.cosine_similarity(gradient(lambda lp: npo(lp, reference, beta=5.0)), ascent, dim=0) < 0.999
    )


def test_nll_is_the_mean_over_answer_tokens_of_each_row():
    logprobs = torch.tensor([[-1.0, -4.0, -50.0], [-50.0, -7.0, -50.0]])
    torch.testing.assert_close(nll(logprobs, MASK), torch.tensor([2.5, 7.0]))


def test_kl_is_exactly_zero_at_the_reference():
    logits = torch.randn(3, 7)
    assert torch.equal(kl(logits, logits.clone(), MASK), torch.zeros(2))


def test_kl_equals_a_numpy_oracle_and_is_never_negative():
    generator = torch.Generator().manual_seed(0)
    policy, reference = (torch.randn(3, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    p, q = (numpy.exp(x.numpy()) / numpy.exp(x.numpy()).sum(-1, keepdims=True) for x in (policy, reference))
    per_token = (q * numpy.log(q / p)).sum(-1)
    oracle = [per_token[:2].mean(), per_token[2]]
    numpy.testing.assert_allclose(kl(policy, reference, MASK).numpy(), oracle, rtol=1e-10)
    assert (kl(policy, reference, MASK) >= 0).all()


def test_kl_is_reference_against_policy_and_not_the_reverse():
    sharp, flat = torch.tensor([[8.0, 0.0, 0.0]] * 3), torch.zeros(3, 3)
    assert not torch.allclose(kl(sharp, flat, MASK), kl(flat, sharp, MASK))
    torch.testing.assert_close(kl(flat, sharp, MASK)[0].item(), math.log(3), rtol=0.02, atol=0)
