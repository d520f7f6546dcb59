# SPDX-License-Identifier: Apache-2.0
"""Killed and resumed equals never killed."""

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.checkpoint import load_training, save_training


def fresh():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.98))


def trained(model, optimizer, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        loss = model(torch.randn(16, 4, generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_resumed_is_bitwise_what_it_would_have_been(tmp_path):
    whole = trained(*fresh(), range(10))
    model, optimizer = fresh()
    trained(model, optimizer, range(6))
    save_training(tmp_path / "c.safetensors", 6, model, optimizer)
    again, its_optimizer = fresh()
    reached = load_training(tmp_path / "c.safetensors", again, its_optimizer)
    assert reached == 6
    assert torch.equal(trained(again, its_optimizer, range(reached, 10)), whole)


def test_no_file_is_step_zero(tmp_path):
    model, optimizer = fresh()
    assert load_training(tmp_path / "none.safetensors", model, optimizer) == 0


def test_corrupt_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"not safetensors")
    with pytest.raises(CrossmemError, match="no checkpoint"):
        load_training(path, *fresh())
    save_training(path, 3, torch.nn.Linear(2, 2), None)
    with pytest.raises(CrossmemError, match="no checkpoint"):
        load_training(path, *fresh())
