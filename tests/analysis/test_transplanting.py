# SPDX-License-Identifier: Apache-2.0
"""What a donor's layers knew is found where it was put, and nowhere else."""

import copy

import pytest
import torch

from crossmem_hf.analysis.transplanting import PARTS, transplanted
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modules import sublayer, text_layers
from tests.scoring.families import model_of

TOKENS = torch.tensor([[5, 6, 7, 8]])


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


def changed(model, part, layers):
    """A copy that differs in a part of some layers alone."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for layer in layers:
            for weight in sublayer(text_layers(other)[layer], part).parameters():
                weight.mul_(-1.5)
    return other


@pytest.mark.parametrize("name", ["llava_clip", "gemma3"])
@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_of_one_layer_holds_comes_with_that_part_alone(name, part):
    plain = model_of(name)
    donor = changed(plain, part, [1])
    assert not torch.allclose(logits(donor), logits(plain))
    torch.testing.assert_close(logits(transplanted(copy.deepcopy(plain), donor, [1], part)), logits(donor))
    other = next(one for one in PARTS if one != part)
    for layers, where in (([0], part), ([0, 1], other)):
        torch.testing.assert_close(logits(transplanted(copy.deepcopy(plain), donor, layers, where)), logits(plain))


def test_donor_keeps_its_weights_and_gives_copies():
    plain = model_of("llava_clip")
    donor = changed(plain, "mlp", [0])
    before = logits(donor)
    receiver = transplanted(copy.deepcopy(plain), donor, [0])
    with torch.no_grad():
        for weight in sublayer(text_layers(receiver)[0], "mlp").parameters():
            weight.zero_()
    torch.testing.assert_close(logits(donor), before)


@pytest.mark.parametrize(
    ("layers", "part", "said"), [([3], "mlp", "from 0 to 2"), ([-1], "mlp", "from 0 to 2"), ([0], "head", "attention")]
)
def test_places_that_do_not_exist_are_refused(layers, part, said):
    model = model_of("llava_clip")
    before = logits(model)
    with pytest.raises(CrossmemError, match=said):
        transplanted(model, copy.deepcopy(model), layers, part)
    torch.testing.assert_close(logits(model), before)


def test_donor_of_another_shape_is_refused_before_anything_changes():
    model, donor = model_of("llava_clip"), copy.deepcopy(model_of("llava_clip"))
    first = sublayer(text_layers(donor)[1], "mlp").up_proj
    first.weight = torch.nn.Parameter(first.weight[:-1])
    before = logits(model)
    with pytest.raises(CrossmemError, match=r"layer 1 .* up_proj"):
        transplanted(model, donor, [0, 1])
    torch.testing.assert_close(logits(model), before)
