# SPDX-License-Identifier: Apache-2.0
"""A model is lent: quiet inside, exactly as before outside."""

import pytest
import torch
from torch import nn

from crossmem_hf.models.modes import evaluating


def network():
    """Three modules in three states."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    model.train()
    model[2].eval()
    return model


def test_quiet_inside_and_as_before_outside():
    model = network()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not model[0](torch.ones(1, 2)).requires_grad
    assert [module.training for module in model.modules()] == [True, True, True, False, False]
    assert model[0](torch.ones(1, 2)).requires_grad


def test_as_before_after_an_error():
    model = network()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        raise ZeroDivisionError
    assert [module.training for module in model.modules()] == [True, True, True, False, False]
