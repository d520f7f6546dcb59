# SPDX-License-Identifier: Apache-2.0
import math

import numpy
import pytest
import torch

from crossmem_hf.training.losses import dpo, ga, kl, nll, npo, representation_mse, simnpo, undial, wga

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


class Ragged:
    """Answers of random lengths at random places, and log-probabilities and logits of them, all float64."""

    def __init__(self, seed, rows=5, tokens=9, words=11, width=6):
        draw = numpy.random.default_rng(seed)
        mask = numpy.zeros((rows, tokens), dtype=bool)
        for line in mask:
            start, stop = sorted(draw.choice(tokens + 1, 2, replace=False))
            line[start:stop] = True
        self.mask = mask
        self.logits, self.other = draw.normal(size=(2, mask.sum(), words)) * 3
        self.answers = draw.integers(words, size=mask.sum())
        self.hidden, self.kept = draw.normal(size=(2, mask.sum(), width))
        self.logprobs = numpy.where(mask, -draw.exponential(size=mask.shape), -99.0)  # outside: never read

    def by_row(self, values):
        """One array a row of what was measured at answer tokens."""
        return numpy.split(values, self.mask.sum(axis=1).cumsum()[:-1])

    def answer_logprobs(self):
        return [line[chosen] for line, chosen in zip(self.logprobs, self.mask, strict=True)]


def distribution(logits):
    """Softmax as its definition has it."""
    return numpy.exp(logits) / numpy.exp(logits).sum(axis=-1, keepdims=True)


def double(array):
    return torch.tensor(array)


SHAPES = [(seed, {"rows": 1 + seed % 6, "tokens": 1 + seed * 2 % 13, "words": 2 + seed}) for seed in range(12)]
ragged = pytest.mark.parametrize("case", [Ragged(seed, **shape) for seed, shape in SHAPES], ids=range(len(SHAPES)))


def close(ours, oracle):
    assert ours.dtype == torch.float64
    numpy.testing.assert_allclose(ours.detach().numpy(), oracle, rtol=1e-9, atol=1e-12)


@ragged
def test_simnpo_equals_its_formula(case):
    """-2/beta log sigmoid(-beta/|y| log p(y|x) - gamma), gamma being beta times delta: arXiv 2410.07163."""
    beta, delta = 2.5, 0.3
    margins = numpy.array([-beta / len(line) * line.sum() - beta * delta for line in case.answer_logprobs()])
    oracle = -2 / beta * numpy.log(1 / (1 + numpy.exp(-margins)))
    close(simnpo(double(case.logprobs), double(case.mask), beta=beta, delta=delta), oracle)


def test_simnpo_at_a_known_length_and_likelihood():
    """Four tokens of probability 1/2: l = ln 2, so at beta 1 and delta 0 the loss is 2 ln(1 + 1/2)."""
    logprobs = torch.full((1, 4), -math.log(2), dtype=torch.float64)
    mask = torch.ones(1, 4, dtype=torch.bool)
    close(simnpo(logprobs, mask, beta=1.0, delta=0.0), [2 * math.log(1.5)])
    close(simnpo(logprobs, mask, beta=4.5, delta=math.log(2)), [2 / 4.5 * math.log(2)])


@ragged
def test_wga_equals_its_formula_and_weights_carry_no_gradient(case):
    """Mean of p^beta log p over tokens, its gradient p^beta / |y|: arXiv 2502.19301."""
    beta = 0.7
    logprobs = double(case.logprobs).requires_grad_()
    losses = wga(logprobs, double(case.mask), beta=beta)
    close(losses, [(numpy.exp(line) ** beta * line).mean() for line in case.answer_logprobs()])
    (gradient,) = torch.autograd.grad(losses.sum(), logprobs)
    lengths = case.mask.sum(axis=1, keepdims=True)
    close(gradient, numpy.where(case.mask, numpy.exp(case.logprobs) ** beta / lengths, 0.0))


def test_wga_by_hand():
    """Tokens of probability 1/2 and 1/4 at beta 1: -(ln 2 / 2 + ln 4 / 4) / 2."""
    logprobs = torch.tensor([[0.5, 0.25]], dtype=torch.float64).log()
    close(wga(logprobs, torch.ones(1, 2, dtype=torch.bool), beta=1.0), [-math.log(2) / 2])


@ragged
def test_undial_equals_its_formula(case):
    """Cross-entropy with softmax(z_ref - beta onehot(y)), gradient (p - target) / |y|: arXiv 2402.10052."""
    beta = 3.0
    lowered = case.other.copy()
    for token, answer in enumerate(case.answers):
        lowered[token, answer] -= beta
    policy, target = distribution(case.logits), distribution(lowered)
    logits = double(case.logits).requires_grad_()
    losses = undial(logits, double(case.other), double(case.answers), double(case.mask), beta=beta)
    close(losses, [line.mean() for line in case.by_row(-(target * numpy.log(policy)).sum(-1))])
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    lengths = numpy.repeat(case.mask.sum(axis=1), case.mask.sum(axis=1))
    close(gradient, (policy - target) / lengths[:, None])


def test_undial_by_hand():
    """Reference 1/2, 1/4, 1/4 with the answer's odds divided by 2: target 1/3 each; a flat policy scores ln 3."""
    reference = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()
    one = torch.ones(1, 1, dtype=torch.bool)
    given = {"answers_N": torch.tensor([0]), "mask_BT": one, "beta": math.log(2)}
    close(undial(torch.zeros(1, 3, dtype=torch.float64), reference, **given), [math.log(3)])
    policy = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()
    close(undial(policy, reference, **given), [(math.log(2) + 2 * math.log(4)) / 3])


@ragged
def test_kl_equals_its_formula(case):
    """Sum of q (log q - log p) with q the reference, gradient (p - q) / |y|."""
    policy, reference = distribution(case.logits), distribution(case.other)
    logits = double(case.logits).requires_grad_()
    losses = kl(logits, double(case.other), double(case.mask))
    per_token = (reference * (numpy.log(reference) - numpy.log(policy))).sum(-1)
    close(losses, [line.mean() for line in case.by_row(per_token)])
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    lengths = numpy.repeat(case.mask.sum(axis=1), case.mask.sum(axis=1))
    close(gradient, (policy - reference) / lengths[:, None])


@ragged
@pytest.mark.parametrize("fixed", [True, False], ids=["rmu", "retain"])
def test_representation_mse_is_the_mean_squared_distance(case, fixed):
    target = case.kept[0] if fixed else case.kept
    hidden = double(case.hidden).requires_grad_()
    losses = representation_mse(hidden, double(target), double(case.mask))
    close(losses, [line.mean() for line in case.by_row(((case.hidden - target) ** 2).mean(-1))])
    (gradient,) = torch.autograd.grad(losses.sum(), hidden)
    lengths = numpy.repeat(case.mask.sum(axis=1), case.mask.sum(axis=1))
    close(gradient, 2 * (case.hidden - target) / case.hidden.shape[1] / lengths[:, None])


def test_representation_mse_from_itself_is_exactly_zero():
    hidden = torch.randn(3, 4)
    assert torch.equal(representation_mse(hidden, hidden.clone(), MASK), torch.zeros(2))


@ragged
def test_likelihood_and_refusals_are_means_over_each_answer(case):
    """IDK is this loss on refusals; outside the answer stands -99, which would show."""
    close(nll(double(case.logprobs), double(case.mask)), [-line.mean() for line in case.answer_logprobs()])


@pytest.mark.invariant
@pytest.mark.parametrize("beta", [0.05, 0.1, 0.5, 2.0])
def test_dpo_at_the_reference_is_log_two(beta):
    close(dpo(POLICY, REFERENCE, POLICY, REFERENCE, beta=beta), [math.log(2)] * 3)


def test_dpo_equals_its_formula_and_pulls_both_answers_apart():
    """-log sigmoid(beta (chosen ratio - rejected ratio)); gradients -+ beta sigmoid(-margin)."""
    beta = 0.3
    chosen, rejected = POLICY.clone().requires_grad_(), (POLICY * 0.5 - 1).requires_grad_()
    margin = beta * (((POLICY - REFERENCE) - (POLICY * 0.5 - 1 - (REFERENCE + 2))).numpy())
    losses = dpo(chosen, rejected, REFERENCE, REFERENCE + 2, beta=beta)
    close(losses, numpy.log(1 + numpy.exp(-margin)))
    up, down = torch.autograd.grad(losses.sum(), (chosen, rejected))
    close(up, -beta / (1 + numpy.exp(margin)))
    close(down, beta / (1 + numpy.exp(margin)))


@pytest.mark.parametrize("beta", [1e-6, 0.1, 3.0])
def test_npos_gradient_is_that_of_ascent_times_its_own_weight(beta):
    """2 p^beta / (p^beta + r^beta), from 1 at the reference to 2 far above it and 0 far below."""
    policy = POLICY.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(npo(policy, REFERENCE, beta=beta).sum(), policy)
    p, r = numpy.exp(POLICY.numpy()) ** beta, numpy.exp(REFERENCE.numpy()) ** beta
    close(gradient, 2 * p / (p + r))


@pytest.mark.parametrize("name", ["npo", "simnpo", "dpo", "wga", "undial", "kl", "representation_mse", "nll", "ga"])
def test_gradients_are_those_of_finite_differences(name):
    """wga is left with its weights held fixed, as its gradient has them."""
    case = Ragged(3)
    mask, other, answers = double(case.mask), double(case.other), double(case.answers)
    logprobs, logits, hidden = double(case.logprobs), double(case.logits), double(case.hidden)
    sums = torch.linspace(-9, -1, 5, dtype=torch.float64)
    fixed = (0.7 * logprobs).exp()
    loss, at = {
        "npo": (lambda x: npo(x, sums.flip(0), beta=0.3), sums),
        "ga": (ga, sums),
        "dpo": (lambda x: dpo(x, x.flip(0) * 2, sums, sums - 1, beta=0.3), sums),
        "nll": (lambda x: nll(x, mask), logprobs),
        "simnpo": (lambda x: simnpo(x, mask, beta=2.5, delta=0.1), logprobs),
        "wga": (lambda x: -nll(fixed * x, mask), logprobs),
        "undial": (lambda x: undial(x, other, answers, mask, beta=3.0), logits),
        "kl": (lambda x: kl(x, other, mask), logits),
        "representation_mse": (lambda x: representation_mse(x, hidden[0], mask), hidden),
    }[name]
    assert torch.autograd.gradcheck(loss, at.clone().requires_grad_())
    if name == "wga":
        gradients = [
            torch.autograd.grad(f(x).sum(), x)[0]
            for f in (loss, lambda x: wga(x, mask, beta=0.7))
            for x in [at.clone().requires_grad_()]
        ]
        torch.testing.assert_close(*gradients)
