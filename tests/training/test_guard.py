# SPDX-License-Identifier: Apache-2.0
import torch

from crossmem_hf.training.guard import LastGoodWeights, bad_rows


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
