# SPDX-License-Identifier: Apache-2.0
"""Numbers that a model is given besides its rows, learned until the rows' answers are likely. It does not know where
they enter the model."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import Any, Final

import torch
from torch import Tensor

from crossmem_hf.analysis.gradient_similarity import answer_loss
from crossmem_hf.data.rows import Row
from crossmem_hf.models.modes import in_eval_mode

_ROWS: Final = 16
"""Of a step."""


def sign_descent(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    start: Tensor,
    within: Callable[[Tensor], AbstractContextManager[None]],
    *,
    most: Tensor | float,
    step: Tensor | float,
    num_steps: int,
    rng: Random,
) -> Tensor:
    """What numbers become by projected sign gradient on the likelihood of rows' answers; the model stays as it is.

    Args:
        start: The numbers at first.
        within: Puts numbers into the model for as long.
        most: No number is farther from 0.
        step: How far numbers move at first; at the end they hardly move.
        num_steps: Of up to 16 rows each, drawn by `rng`.

    Reference:
        Projected gradient descent, https://huggingface.co/papers/1706.06083.
    """
    loss, found = answer_loss(processor), start
    with in_eval_mode(model):
        for number in range(num_steps):
            found.requires_grad_(True)
            with within(found):
                drawn = rng.sample(rows, min(_ROWS, len(rows)))
                (gradient,) = torch.autograd.grad(loss(model, drawn), [found])
            moved = found.detach() - step * (1 - number / num_steps) * gradient.sign()
            found = torch.clamp(moved, -torch.as_tensor(most), torch.as_tensor(most))
    return found
