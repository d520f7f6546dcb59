# SPDX-License-Identifier: Apache-2.0
"""A base model's card states what it is given, and refuses to leave a blank."""

from dataclasses import asdict

import pytest
import yaml
from jinja2 import UndefinedError

from crossmem_hf.models.micro.card import micro_card
from crossmem_hf.models.micro.pretraining import LanguagePlan
from crossmem_hf.models.micro.tasks import SHARES

PLAN = asdict(LanguagePlan(steps=4300, image_rows=41, text_rows=23, named_rows=7, lr=0.0017))
BRIDGE = {"contrast": 0.25, "attributes": 0.35}
LAST = asdict(LanguagePlan(steps=310, lr=0.0009, last=True))
SETTINGS = {"size": "m", "seed": 3, "vision_steps": 2100, "plan": PLAN, "last": LAST}
QUALITY = {
    "attributes_image": {"value": 0.91, "n": 800, "chance": 0.2},
    "names_text_far": {"value": 1.0, "n": 40, "chance": 0.05},
}


def card(settings=SETTINGS):
    return micro_card("micro-m-seed3", settings, QUALITY, parameters=1_621_376)


def test_the_front_matter_is_yaml():
    head = yaml.safe_load(card().split("---")[1])
    assert head["license"] == "apache-2.0"
    assert head["pipeline_tag"] == "image-text-to-text"


def test_every_number_is_said():
    text = card()
    counts = ("1,621,376", "9,000", "300", "100", "2100", "4300", "41", "23", "7 questions", "0.0017", "seed 3")
    for number in (*counts, "0.910", "1.000", "0.200", "800", "40"):
        assert number in text, number
    assert text.endswith("\n")
    assert "{{" not in text
    assert "{%" not in text


def test_every_task_and_measure_is_a_row_of_a_table():
    lines = card().splitlines()
    for task, (first, later, last) in SHARES.items():
        assert f"| {task} | {first:.2f} | {later:.2f} | {last:.2f} |" in lines
    for name, one in QUALITY.items():
        assert f"| {name} | {one['value']:.3f} | {one['n']} | {one['chance']:.3f} |" in lines


def test_the_bridge_is_told_of_where_there_is_one():
    plain, bridged = card(), card({**SETTINGS, "plan": PLAN | BRIDGE})
    assert "no term brings the modalities together" in plain
    assert "is a choice" not in plain
    assert "0.25" in bridged
    assert "0.35" in bridged
    assert "is a choice" in bridged


def test_the_card_names_the_model_as_load_model_does():
    assert 'load_model("micro-m-seed3")' in card()


@pytest.mark.parametrize("missing", ["seed", "vision_steps", "plan", "last"])
def test_a_setting_that_is_missing_is_an_error(missing):
    with pytest.raises(UndefinedError, match=missing):
        card({name: value for name, value in SETTINGS.items() if name != missing})


@pytest.mark.parametrize("missing", sorted({"steps", "image_rows", "text_rows", "named_rows", "lr", "contrast"}))
def test_a_part_of_the_plan_that_is_missing_is_an_error(missing):
    with pytest.raises(UndefinedError, match=missing):
        card({**SETTINGS, "plan": {name: value for name, value in PLAN.items() if name != missing}})
