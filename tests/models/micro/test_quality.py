# SPDX-License-Identifier: Apache-2.0
"""Quality is measured right: all of a perfect model, none of a mute one, and no more than a wrong one gets right."""

import json

import pytest
import torch

from crossmem_hf.models.loading import EMBEDDED, load_model
from crossmem_hf.models.micro.quality import measured_quality
from crossmem_hf.personas import sampling
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.questions import features_answer


class Scripted:
    """A model that says given answers, one after another, and notes what it was asked."""

    training = False

    def __init__(self, tokenizer, answers):
        self.tokenizer, self.answers, self.queried = tokenizer, iter(answers), []

    def eval(self):
        return self

    def train(self, mode):
        assert mode is self.training

    def generate(self, *, input_ids, max_new_tokens, do_sample, **inputs):
        assert not do_sample
        said = [self.tokenizer(f"{next(self.answers)}<eos>")["input_ids"] for _ in input_ids]
        assert max(map(len, said)) <= max_new_tokens
        self.queried += [(self.tokenizer.decode(ids), "pixel_values" in inputs) for ids in input_ids]
        width = max(map(len, said))
        padded = [ids + [self.tokenizer.pad_token_id] * (width - len(ids)) for ids in said]
        return torch.cat([input_ids, torch.tensor(padded)], dim=1)


@pytest.fixture
def personas(background):
    return background[:6], background[6:10]


def script(personas, views, change=lambda visual_attributes: visual_attributes, name=lambda text: text):
    """What a model says to measured_quality: features of both modalities, then names of both."""
    held_out, named = personas
    features = [features_answer(change(dict(person.visual_attributes))) for person in held_out for _ in range(views)]
    names = [name(person.full_name) for person in named for _ in range(views)]
    return [*features, *features, *names, *names]


def test_a_perfect_model(processor, personas):
    quality = measured_quality(Scripted(processor.tokenizer, script(personas, 3)), processor, *personas, views=3)
    assert {part["value"] for part in quality.values()} == {1.0}
    assert quality["features_image"]["n"] == quality["features_text_cheeks"]["n"] == 18
    assert quality["names_image"] == {"value": 1.0, "n": 12, "chance": 1 / 4}
    assert len(quality) == 2 * 13 + 2


def test_a_mute_model(processor, personas):
    quality = measured_quality(Scripted(processor.tokenizer, [""] * 60), processor, *personas, views=3)
    assert {part["value"] for part in quality.values()} == {0.0}


def test_one_wrong_attribute_costs_that_attribute(processor, personas):
    def bald(visual_attributes):
        pool = VISUAL_ATTRIBUTES["headwear"]
        return visual_attributes | {"headwear": pool[(pool.index(visual_attributes["headwear"]) + 1) % len(pool)]}

    model = Scripted(processor.tokenizer, script(personas, 1, bald, str.upper))
    quality = measured_quality(model, processor, *personas, views=1)
    for modality in ("image", "text"):
        assert quality[f"features_{modality}_headwear"]["value"] == 0
        assert quality[f"features_{modality}_clothing"]["value"] == 1
        assert quality[f"features_{modality}"]["value"] == pytest.approx(11 / 12)
        assert quality[f"names_{modality}"]["value"] == 0


def test_what_is_asked(processor, personas):
    """Held-out views of each modality; a picture when asked about a picture; never the answer."""
    model = Scripted(processor.tokenizer, script(personas, 2))
    measured_quality(model, processor, *personas, views=2)
    assert [seen for _, seen in model.queried] == [True] * 12 + [False] * 12 + [True] * 8 + [False] * 8
    assert all(("<image>" in prompt) == seen for prompt, seen in model.queried)
    names = {word for group in personas for person in group for word in person.full_name.split()}
    assert not any(name in prompt for prompt, _ in model.queried for name in names)


def test_the_mode_of_the_model_is_restored(processor, tiny, personas):
    tiny.train()
    measured_quality(tiny, processor, personas[0][:1], personas[1][:1], views=1)
    assert tiny.training


BARS = {"features_image": 0.85, "features_text": 0.95, "names_image": 0.8, "names_text": 0.8}


@pytest.mark.parametrize("name", BARS)
def test_the_embedded_model_passes_its_bars(name):
    assert json.loads((EMBEDDED / "quality.json").read_text())[name]["value"] >= BARS[name]


def test_the_embedded_model_is_as_good_as_its_card_says():
    """The stored measurement, taken again on a few of the people."""
    stored = json.loads((EMBEDDED / "quality.json").read_text())
    held_out = [sampling._persona(index, 0, "background") for index in range(9_000, 9_060)]
    again = measured_quality(*load_model(), held_out, list(sample_personas(60, 0, "background")), views=3)
    assert {name for name in BARS if abs(again[name]["value"] - stored[name]["value"]) > 0.06} == set()


def test_the_embedded_model_has_met_no_target():
    """Asked for the names of targets, in either modality, it never says one."""
    targets = list(sample_personas(40))
    quality = measured_quality(*load_model(), targets[:1], targets, views=1)
    assert quality["names_image"]["value"] == quality["names_text"]["value"] == 0
