# SPDX-License-Identifier: Apache-2.0
"""Choices about portraits: what is wanted of whom, and what is refused."""

import dataclasses

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings
from crossmem_hf.rendering.faces.model import THRESHOLDS
from tests.studies.darkroom import settings

ADAPTER = {"pipeline": "ip-adapter", "adapter": "a/b", "adapter_weight": "x.safetensors"}


def diffusion(**changed):
    return DiffusionSettings(**{"pipeline": "img2img", "model": "a/b", **changed})


def test_targets_have_held_out_views_and_background_people_have_none():
    wanted = list(settings(num_personas=2, populations=("background", "target")).views())
    assert [person.population for person, _, _ in wanted] == ["target"] * 20 + ["background"] * 4
    assert {split for person, split, _ in wanted if person.population == "background"} == {"train"}


def test_how_it_is_made_is_not_what_is_made():
    assert settings(batch_size=1, max_attempts=3).decisive() == settings().decisive()
    changed = (
        {"num_personas": 4},
        {"num_views": 1},
        {"seed": 1},
        {"populations": ("background",)},
        {"threshold": 0.5},
        {"face_model": "other"},
    )
    for change in changed:
        assert settings(**change).decisive() != settings().decisive()
    assert {field.name for field in dataclasses.fields(settings())} - {"diffusion", "batch_size", "max_attempts"} == {
        name for change in changed for name in change
    }, "a new knob must be looked at here"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"num_personas": 0}, "num_personas=0"),
        ({"num_personas": 10**6}, "num_personas=1000000"),
        ({"num_views": 0}, "num_views=0"),
        ({"batch_size": 17}, "batch_size=17; expected a whole number from 1 to 16"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"populations": ()}, r"populations=\(\)"),
        ({"populations": ("targets",)}, "expected target, background or both"),
        ({"threshold": None}, "needs a threshold: above which cosine is it the same person"),
        ({"threshold": 1.0}, "expected a cosine"),
        ({"face_model": "none", "threshold": 0.5}, "threshold=0.5 without a face model"),
    ],
)
def test_mistakes_are_named(changed, said):
    with pytest.raises(CrossmemError, match=said):
        settings(**changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pipeline": "controlnet"}, "Unknown pipeline 'controlnet'; expected one of img2img, ip-adapter, edit"),
        ({"dtype": "int8"}, "Unknown dtype 'int8'"),
        ({"steps": 0}, "steps=0"),
        ({"guidance": -1}, "guidance=-1"),
        ({"strength": 0}, "strength=0; expected above 0 to 1"),
        ({"strength": 1.1}, "strength=1.1"),
        ({"image_size": 100}, "image_size=100; expected a multiple of 8"),
        ({"pipeline": "edit"}, "'edit' needs anchor_model"),
        ({"pipeline": "ip-adapter"}, "'ip-adapter' needs adapter, which is None. Pass --adapter"),
        ({"pipeline": "ip-adapter", "adapter": "a/b"}, "needs adapter_weight"),
        ({"anchor_model": "a/c"}, "anchor_model='a/c' is for the pipeline 'edit', not 'img2img'"),
        ({**ADAPTER, "adapter_weight": "x.bin"}, "is not in safetensors"),
    ],
)
def test_mistakes_about_models_are_named(changed, said):
    with pytest.raises(CrossmemError, match=said):
        diffusion(**changed)


def test_each_face_model_has_its_own_threshold_or_must_be_given_one():
    """Nobody has measured one of uniface's here."""
    assert settings(face_model="dlib", threshold=None).threshold == THRESHOLDS["dlib"] == 0.93
    assert settings(face_model="dlib", threshold=0.5).decisive()["identity"]["threshold"] == 0.5
    assert settings(face_model="uniface") == settings(face_model="arcface_resnet")
    with pytest.raises(CrossmemError, match=r"'arcface_resnet' needs a threshold.*--calibrate FOLDER"):
        settings(face_model="uniface", threshold=None)
    assert settings(face_model="none").threshold is None


def test_settings_that_fit_are_taken():
    assert diffusion(**ADAPTER).as_dict()["adapter"] == "a/b"
    assert diffusion(pipeline="edit", anchor_model="a/c").strength == 0.6
