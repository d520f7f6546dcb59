# SPDX-License-Identifier: Apache-2.0
"""The fitted minimum is that of one equation, of log-odds, and where autograd finds no slope."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from crossmem_hf.analysis.logistic import LogisticRegression


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
def test_two_points_have_the_weight_of_one_equation(strength):
    """min 2 log(1 + exp(-w)) + w² / 2C, whose slope is 0 where 2 / (1 + exp(w)) = w / C."""
    fitted = LogisticRegression.fit(np.array([[-1.0], [1.0]]), [0, 1], strength=strength)
    wanted = brentq(lambda w: 2 / (1 + np.exp(w)) - w / strength, 0, 50)
    assert fitted.weights == pytest.approx(np.array([[wanted]]), rel=1e-5)
    assert fitted.bias == pytest.approx(0.0, abs=1e-6)


def test_bias_alone_is_the_log_odds():
    fitted = LogisticRegression.fit(np.full((8, 3), 7.0), [0, 0, 1, 1, 1, 1, 1, 1])
    assert fitted.bias == pytest.approx(np.log(3), rel=1e-5)
    assert not fitted.weights.any()
    assert fitted.predict(np.full((1, 3), 7.0)).tolist() == [1]


def test_three_labels_leave_no_slope_of_the_loss():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    states = rng.standard_normal((60, 5)) * [1, 10, 0.1, 1, 1] + 4 + labels[:, None]
    fitted = LogisticRegression.fit(states, labels, strength=0.5)
    standardized = torch.tensor((states - states.mean(axis=0)) / states.std(axis=0))
    weights, bias = torch.tensor(fitted.weights, requires_grad=True), torch.tensor(fitted.bias, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(standardized @ weights + bias, torch.tensor(labels), reduction="sum")
    (loss + weights.square().sum()).backward()  # 1 / (2 · 0.5)
    assert max(weights.grad.abs().max(), bias.grad.abs().max()) < 1e-3
    assert (fitted.predict(states) == labels).mean() > 0.8


def test_scale_and_place_of_a_dimension_change_nothing():
    states, labels = np.random.default_rng(1).standard_normal((40, 4)), np.arange(40) % 2
    moved = states * [1e-6, 1.0, 1e3, 1e6] + [0.0, 1e4, 0.0, -1e7]
    plain, other = LogisticRegression.fit(states, labels), LogisticRegression.fit(moved, labels)
    assert plain.predict(states).tolist() == other.predict(moved).tolist()
    np.testing.assert_allclose(plain.weights, other.weights, atol=1e-4)
