# SPDX-License-Identifier: Apache-2.0
"""Numbers go where a planted loss is least, and no farther than they may."""

from contextlib import contextmanager
from random import Random

import pytest
import torch

from crossmem_hf.analysis.attacks import sign_descent as module
from crossmem_hf.analysis.attacks.sign_descent import sign_descent


@pytest.mark.parametrize(("wanted", "most", "found"), [(0.5, 1.0, 0.5), (3.0, 1.0, 1.0), (-3.0, 0.25, -0.25)])
def test_numbers_go_to_the_least_loss_within_their_limit(wanted, most, found, monkeypatch):
    inside, drawn = [], []

    @contextmanager
    def within(numbers):
        inside.append(numbers)
        yield
        inside.pop()

    def loss(model, rows):
        drawn.append(len(rows))
        return (inside[-1] - wanted).square().sum()

    monkeypatch.setattr(module, "answer_loss", lambda processor: loss)
    how = {"most": most, "step": 0.2, "num_steps": 50, "rng": Random(0)}
    numbers = sign_descent(torch.nn.Linear(1, 1), None, [{}] * 20, torch.zeros(3), within, **how)
    assert numbers.tolist() == pytest.approx([found] * 3, abs=0.02)
    assert drawn == [16] * 50
    assert inside == []
