# SPDX-License-Identifier: Apache-2.0
"""Cosines of gradients that were computed by hand, or planted; accumulation is one large batch."""

import numpy as np
import pytest
import torch
from torch import nn

from crossmem_hf.analysis.gradient_similarity import GradientSimilarity, answer_loss, gradient_similarity
from crossmem_hf.errors import CrossmemError
from tests.scoring.families import families, few, few_rows, model_of
from tests.scoring.families import rows as rows_of
from tests.training import tiny

ROWS = [tiny.row(persona, kind, 1) for persona in tiny.PERSONAS for kind in ("image", "text")]


class Weights(nn.Module):
    """Weights that start at 0, and something frozen."""

    def __init__(self, width=2):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(width))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)


def squared(model, rows):
    """Of a linear model, (w·x - y)²; at w = 0 the gradient is -2 y x."""
    return sum((model.w @ torch.tensor(x) - y).square() for x, y in rows)


def planted(model, rows):
    """The gradient is the sum of the rows."""
    return torch.tensor(np.asarray(rows), dtype=torch.float32).sum(dim=0) @ model.w


def drawn(count, noise, seed=0, width=20):
    """Rows that share a direction of length 1, with i.i.d. noise."""
    rng = np.random.default_rng(seed)
    return list(np.eye(width)[0] + noise * rng.standard_normal((count, width)))


def test_what_does_not_change_has_cosine_1():
    model = tiny.memorized()
    found = gradient_similarity(model, ROWS, list(ROWS), answer_loss(tiny.processor()), batch_size=2, num_batches=3)
    assert found.cosines == pytest.approx([1.0] * 3, abs=1e-6)
    assert found.variance == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("changed", "cosine"),
    [
        (([3.0, 4.0], -1.0), -1.0),  # the opposite label
        (([-4.0, 3.0], 1.0), 0.0),
        (([1.0, 0.0], 5.0), 0.6),
        (([6.0, 8.0], 0.1), 1.0),  # another length
    ],
)
def test_linear_model_has_the_cosine_computed_by_hand(changed, cosine):
    found = gradient_similarity(Weights(), [([3.0, 4.0], 1.0)], [changed], squared, num_batches=2)
    assert found.cosines == pytest.approx([cosine] * 2, abs=1e-6)


def test_batch_sums_the_rows_before_it_compares():
    rows, changed = [([1.0, 0.0], 1.0), ([0.0, 1.0], 1.0)], [([1.0, 0.0], 1.0), ([0.0, 1.0], -1.0)]
    assert gradient_similarity(Weights(), rows, changed, squared, batch_size=2, num_batches=1).mean == pytest.approx(0)
    apart = gradient_similarity(Weights(), rows, changed, squared, num_batches=2)
    assert sorted(apart.cosines) == pytest.approx([-1.0, 1.0])


def test_noise_lowers_the_cosine_monotonically():
    rows, rng = drawn(400, 0.1), np.random.default_rng(1)
    shift = rng.standard_normal((400, 20))
    means = [
        gradient_similarity(
            Weights(20), rows, [row + size * own for row, own in zip(rows, shift, strict=True)], planted
        )
        for size in (0.0, 0.1, 0.3, 1.0)
    ]
    values = [found.mean for found in means]
    assert values[0] == pytest.approx(1.0)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5


def test_variance_falls_and_mean_rises_with_the_batch():
    rows, changed = drawn(6400, 0.5), drawn(6400, 0.5, seed=1)
    found = [gradient_similarity(Weights(20), rows, changed, planted, batch_size=size) for size in (1, 4, 16, 64)]
    variances, means = [one.variance for one in found], [one.mean for one in found]
    assert variances == sorted(variances, reverse=True)
    assert variances[0] > 10 * variances[-1]
    assert means == sorted(means)


def test_accumulation_is_one_large_batch():
    model, loss = tiny.memorized(), answer_loss(tiny.processor())
    changed = ROWS[1:] + ROWS[:1]
    sizes = ((4, 1), (2, 2), (1, 4))
    whole, halves, single = (
        gradient_similarity(model, ROWS, changed, loss, batch_size=size, accumulation=count, num_batches=2)
        for size, count in sizes
    )
    assert whole.mean < 0.99
    assert halves.cosines == pytest.approx(whole.cosines, abs=1e-4)
    assert single.cosines == pytest.approx(whole.cosines, abs=1e-4)


def test_mean_in_the_place_of_a_sum_is_not_one_large_batch():
    """What `Loss` warns of: rows of different lengths then weigh as their batch says."""
    rows = [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]] * 9)]
    changed = [np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]] * 9)]

    def tokens(rows):
        return torch.tensor(np.concatenate(rows), dtype=torch.float32)

    def cosine(loss, **sizes):
        return gradient_similarity(Weights(), rows, changed, loss, num_batches=1, **sizes).mean

    losses = (lambda model, rows: (tokens(rows) @ model.w).sum(), lambda model, rows: (tokens(rows) @ model.w).mean())
    (sum_whole, sum_parts), (mean_whole, mean_parts) = (
        (cosine(loss, batch_size=2), cosine(loss, accumulation=2)) for loss in losses
    )
    assert sum_parts == pytest.approx(sum_whole) == pytest.approx(mean_whole) == pytest.approx(82**-0.5)
    assert mean_parts == pytest.approx(0.5**0.5)


def test_function_and_aligned_list_are_the_same():
    rows = drawn(8, 0.3)
    options = {"batch_size": 3, "num_batches": 4}
    by_function = gradient_similarity(Weights(20), rows, lambda row: row[::-1], planted, **options)
    assert by_function == gradient_similarity(Weights(20), rows, [row[::-1] for row in rows], planted, **options)
    other = gradient_similarity(Weights(20), rows, lambda row: row[::-1], planted, seed=1, **options)
    assert by_function != other
    assert by_function.num_rows == 8


def test_model_is_left_as_it_was():
    model = tiny.memorized().train()
    before = tiny.weights(model)
    gradient_similarity(model, ROWS, ROWS[1:] + ROWS[:1], answer_loss(tiny.processor()), num_batches=2)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in tiny.weights(model).items())


def test_answer_loss_is_that_of_training():
    model = tiny.memorized()
    rows = tiny.rows(*tiny.PERSONAS, modality="mixed", views=2)
    torch.testing.assert_close(answer_loss(tiny.processor())(model.eval(), rows), -tiny.recalled(model, rows).sum())


def test_text_models_have_gradients_too():
    model, tokenizer = tiny.text_model()
    texts = [row for row in ROWS if not row["images"]]
    found = gradient_similarity(model, texts, texts[1:] + texts[:1], answer_loss(tokenizer), num_batches=2)
    assert all(-1.0 <= cosine < 0.999 for cosine in found.cosines)


def test_measurements_have_intervals_over_batches():
    found = gradient_similarity(Weights(20), drawn(400, 0.5), drawn(400, 0.5, 1), planted, batch_size=4)
    mean, variance = found.measurements(change="noise")
    assert mean.where == {"accumulation": 1, "batch_size": 4, "change": "noise"}
    assert (mean.n, mean.note) == (100, "")
    assert mean.ci[0] < mean.value < mean.ci[1]
    assert variance.value == pytest.approx(np.var(found.cosines, ddof=1))
    assert 0 < variance.ci[0] < variance.value < variance.ci[1]
    again = gradient_similarity(Weights(20), drawn(40, 0.5), drawn(40, 0.5, 1), planted, batch_size=4)
    assert again.measurements()[0].note.startswith("40 rows, some in several batches")
    assert GradientSimilarity((0.5,), 1, 1, 1).measurements()[1].ci is None


def test_variance_interval_holds_the_truth():
    """Of Beta(9, 3) numbers, 19 of 20 times or nearly."""
    truth, rng = 9 * 3 / (12**2 * 13), np.random.default_rng(0)
    held = 0
    for _ in range(200):
        low, high = GradientSimilarity(tuple(rng.beta(9, 3, 100)), 1, 1, 100).measurements()[1].ci
        held += low <= truth <= high
    assert held >= 178


def test_faults_are_named():
    rows = drawn(4, 0.1)
    for change, message in (
        ({"rows": []}, "0 rows"),
        ({"changed": rows[1:]}, "4 rows with 3 changed ones"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"accumulation": 1.5}, "accumulation=1.5"),
        ({"model": Weights(20).requires_grad_(False)}, "No parameter requires a gradient"),
        ({"changed": lambda row: row * 0}, "Batch 0: a gradient has the squared length"),
        ({"changed": lambda row: row * np.nan}, "Batch 0"),
    ):
        given = {"model": Weights(20), "rows": rows, "changed": rows, "loss": planted, **change}
        with pytest.raises(CrossmemError, match=message):
            gradient_similarity(**given)


@pytest.mark.parametrize("name", few(["llava_clip", "gemma3", "llama", "jamba"]))
def test_loss_of_a_batch_is_the_sum_of_its_rows(name):
    model, family = model_of(name), families()[name]
    rows, loss = (few_rows(family) if family.tower else rows_of(family)), answer_loss(family.processor)
    torch.testing.assert_close(loss(model, rows), sum(loss(model, [row]) for row in rows), rtol=1e-4, atol=1e-3)
