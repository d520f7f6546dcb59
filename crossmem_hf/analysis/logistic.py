# SPDX-License-Identifier: Apache-2.0
"""Logistic regression on standardized states, as scikit-learn's defaults have it. It does not know what the labels
mean.

Shapes: ``N`` states, ``D`` width, ``K`` labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from crossmem_hf.metrics.intervals import FloatArray

MAX_STEPS: Final = 5000
"""Of L-BFGS, as in the code of Ju et al. 2025."""


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """A fitted classifier.

    Attributes:
        mean_D: What is taken from every state.
        scale_D: What it is divided by then: the standard deviations of the states that it was fitted to.
        weights: (D, 1) for two labels, (D, K) for more.
        bias: (1,) or (K,).
    """

    mean_D: FloatArray
    scale_D: FloatArray
    weights: FloatArray
    bias: FloatArray

    @classmethod
    def fit(
        cls, states_ND: NDArray[Any], labels_N: Sequence[int] | NDArray[np.intp], *, strength: float = 1.0
    ) -> Self:
        """The minimum of Σ −log p(label) + |weights|² / (2 `strength`), found by L-BFGS; the bias is free.

        Args:
            states_ND: Finite numbers; a dimension without spread counts for nothing.
            labels_N: Whole numbers from 0; at least one state has the largest.
            strength: ``C`` of scikit-learn: the greater, the closer the fit.

        Example:
            >>> fitted = LogisticRegression.fit(np.array([[0.0], [1.0], [4.0], [5.0]]), [0, 0, 1, 1])
            >>> fitted.predict(np.array([[-3.0], [9.0]]))
            array([0, 1])
        """
        states = np.asarray(states_ND, dtype=np.float64)
        mean_D, spread_D = states.mean(axis=0), states.std(axis=0)
        scale_D = np.where(spread_D > 0.0, spread_D, 1.0)
        labels = np.asarray(labels_N, dtype=np.intp)
        num_labels = int(labels.max()) + 1
        weights, bias = _fitted((states - mean_D) / scale_D, labels, 1 if num_labels == 2 else num_labels, strength)
        return cls(mean_D, scale_D, weights, bias)

    def predict(self, states_ND: NDArray[Any]) -> NDArray[np.intp]:
        """(N,) the likeliest label of each state."""
        standardized = (np.asarray(states_ND, dtype=np.float64) - self.mean_D) / self.scale_D
        likeliest: NDArray[np.intp] = _logits(standardized, self.weights, self.bias).argmax(axis=1)
        return likeliest


def _logits(states_ND: FloatArray, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """(N, K); of two labels the first has 0."""
    logits = states_ND @ weights + bias
    return np.hstack([np.zeros_like(logits), logits]) if weights.shape[1] == 1 else logits


def _fitted(
    states_ND: FloatArray, labels_N: NDArray[np.intp], columns: int, strength: float
) -> tuple[FloatArray, FloatArray]:
    num_states, width = states_ND.shape
    every = np.arange(num_states)

    def split(flat: FloatArray) -> tuple[FloatArray, FloatArray]:
        return flat[:-columns].reshape(width, columns), flat[-columns:]

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        weights, bias = split(flat)
        logprobs_NK = log_softmax(_logits(states_ND, weights, bias), axis=1)
        slope_NK = np.exp(logprobs_NK)
        slope_NK[every, labels_N] -= 1.0
        slopes = slope_NK[:, -columns:]
        value = -logprobs_NK[every, labels_N].sum() + (weights**2).sum() / (2.0 * strength)
        return value, np.concatenate([(states_ND.T @ slopes + weights / strength).ravel(), slopes.sum(axis=0)])

    start = np.zeros((width + 1) * columns)
    steps = {"maxiter": MAX_STEPS, "maxfun": 3 * MAX_STEPS, "ftol": 1e-12, "gtol": 1e-6}
    return split(minimize(loss, start, jac=True, method="L-BFGS-B", options=steps).x)
