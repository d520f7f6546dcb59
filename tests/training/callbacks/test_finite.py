# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.callbacks.finite import LastGoodWeights, StopUnlessFinite, bad_rows


def test_rows_are_named_by_their_number():
    losses = torch.tensor([1.0, float("nan"), 2.0, float("inf"), -float("inf")])
    assert bad_rows(losses, torch.tensor([10, 11, 12, 13, 14])) == [11, 13, 14]
    assert bad_rows(losses[:1], torch.tensor([10])) == []


def test_the_weights_of_the_last_good_step_come_back():
    layer = torch.nn.Linear(2, 1)
    frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    kept = LastGoodWeights([*layer.parameters(), frozen])
    with torch.no_grad():
        layer.weight.fill_(3.0)
    kept.keep(4)
    with torch.no_grad():
        layer.weight.fill_(float("nan"))
        frozen.fill_(7.0)
    assert not kept.are_finite()
    kept.keep(4)  # the same step: these are not good weights
    kept.restore()
    assert kept.are_finite()
    assert kept.step == 4
    assert layer.weight.tolist() == [[3.0, 3.0]]
    assert frozen.item() == 7.0


def stepped(layer, values, kind, monkeypatch):
    """What was saved while the weights took these values, a step each."""
    monkeypatch.setattr(
        "crossmem_hf.training.callbacks.finite.AcceleratorState", lambda: SimpleNamespace(distributed_type=kind)
    )
    args, saved = SimpleNamespace(output_dir="out", should_save=True), []
    guard = StopUnlessFinite(lambda folder: saved.append((folder, layer.weight.tolist())))
    guard.on_train_begin(args, SimpleNamespace(global_step=0), None, model=layer)
    for step, value in enumerate(values):
        guard.on_step_begin(args, SimpleNamespace(global_step=step), None)
        with torch.no_grad():
            layer.weight.fill_(value)
        guard.on_step_end(args, SimpleNamespace(global_step=step + 1), None)
    return saved


def test_weights_that_led_to_bad_ones_are_not_good(monkeypatch):
    layer = torch.nn.Linear(2, 1, bias=False)
    with pytest.raises(CrossmemError, match="Step 4 made weights NaN or infinite; the weights of step 2"):
        stepped(layer, [1.0, 2.0, 1e30, float("nan")], DistributedType.NO, monkeypatch)
    assert layer.weight.tolist() == [[2.0, 2.0]]


def test_weights_in_shards_are_left_alone(monkeypatch):
    """Accelerate knows of them even where the trainer's arguments say nothing."""
    layer = torch.nn.Linear(2, 1, bias=False)
    assert stepped(layer, [float("nan")], DistributedType.FSDP, monkeypatch) == []
