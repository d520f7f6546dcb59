# SPDX-License-Identifier: Apache-2.0
"""The embedded model's card states what it is given, and refuses to leave a blank."""

import pytest
import yaml
from jinja2 import UndefinedError

from crossmem_hf.models.micro.card import micro_card

PLAN = {"steps": 4300, "image_rows": 41, "text_rows": 23, "lr": 0.002, "contrast": 0.25, "attributes": 0.35}
SETTINGS = {"seed": 3, "vision_steps": 2100, "seen": 9_000, "named": 20, "plan": PLAN}
QUALITY = {
    "features_image": {"value": 0.91, "n": 800, "chance": 0.2},
    "names_text": {"value": 1.0, "n": 40, "chance": 0.05},
}


def card(settings=SETTINGS):
    return micro_card(settings, QUALITY, parameters=1_621_376)


def test_the_front_matter_is_yaml():
    head = yaml.safe_load(card().split("---")[1])
    assert head["license"] == "apache-2.0"
    assert head["pipeline_tag"] == "image-text-to-text"


def test_every_number_is_said():
    text = card()
    for number in (
        "1,621,376",
        "9,000",
        "2100",
        "4300",
        "41",
        "23",
        "0.25",
        "0.35",
        "0.910",
        "1.000",
        "0.200",
        "800",
        "40",
    ):
        assert number in text, number
    assert text.endswith("\n")
    assert "{{" not in text


@pytest.mark.parametrize("missing", ["seed", "vision_steps", "named", "plan"])
def test_a_setting_that_is_missing_is_an_error(missing):
    with pytest.raises(UndefinedError, match=missing):
        card({name: value for name, value in SETTINGS.items() if name != missing})
