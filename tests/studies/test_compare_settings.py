# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.keys import picture_keys
from crossmem_hf.studies.compare_asking import joined
from crossmem_hf.studies.compare_settings import CompareSettings, names_in
from crossmem_hf.training.methods import METHODS
from crossmem_hf.training.micro import CHOSEN_ON, TUNED


def test_every_method_has_settings_for_the_embedded_model_that_its_config_takes(tmp_path):
    assert set(TUNED) == set(METHODS)
    for name, trainer in METHODS.items():
        chosen = CompareSettings().unlearning(name, "both", seed=3)
        config = trainer.config_class(output_dir=str(tmp_path), **chosen)
        assert (config.seed, config.forget_modality) == (3, "both")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("npo", "npa")}, "methods='npo,npa'; expected different ones of ga, gd"),
        ({"methods": ("npo", "npo")}, "expected different ones"),
        ({"methods": ()}, "expected different ones"),
        ({"forget_modality": ("sound",)}, "forget_modality='sound'; expected different ones of image, text, both"),
        ({"dataset_config": "captions"}, "dataset_config='captions' does not exist"),
        ({"seeds": 0}, "seeds=0; expected 1 to 100"),
        ({"memorize_steps": 0}, "memorize_steps=0"),
        ({"gate": 2.0}, "gate=2.0 is no recall"),
        ({"num_personas": 1}, "1"),
    ],
)
def test_impossible_settings(changes, message):
    with pytest.raises(CrossmemError) as caught:
        CompareSettings(**changes)
    assert message in caught.value.fault


def test_names_are_separated_by_commas():
    assert names_in(" npo, ga,") == ("npo", "ga")


def test_settings_are_plain_json():
    assert CompareSettings().as_dict()["methods"][:2] == ["ga", "gd"]
    assert CompareSettings(seed=4, seeds=2).all_seeds == (4, 5)


def test_people_that_settings_were_chosen_on_are_not_reported():
    """Open-MMUnlearning chooses and reports on one split; here another world of people is for choosing."""
    for reported in ({"seed": 100, "seeds": 1}, {"seed": 98, "seeds": 3}):
        with pytest.raises(CrossmemError, match="Persona seed 100 is one that the settings"):
            CompareSettings(**reported)
        assert 100 in CompareSettings(**reported, choosing=True).all_seeds
    assert CompareSettings(seed=101).all_seeds == (101, 102, 103)


def test_what_is_shipped_was_chosen_and_reported_on_different_people(root):
    tries = [json.loads(line) for line in (root / "results/compare/tries.jsonl").read_text().splitlines()]
    assert {one["seed"] for one in tries} == CHOSEN_ON
    for name in ("compare/compare.json", "first_light/record.json", "first_light/record_all_linear.json"):
        assert not CHOSEN_ON & set(json.loads((root / "results" / name).read_text())["seeds"]), name


@pytest.mark.parametrize("dataset_config", ["recall", "qa"])
def test_the_rows_that_stop_unlearning_are_not_the_rows_that_are_reported(dataset_config):
    spec = CompareSettings(num_personas=5).spec(0)

    def shown(part):
        rows = joined(dataset_config, part, spec)
        families = {template.partition("-")[0] for template in rows["template"]}
        about = zip(rows["prompt"], picture_keys(rows), strict=True)
        return families, {(prompt[-1]["content"], key) for prompt, key in about}

    (stopping, stops), (reported, reports) = shown("validation"), shown("test")
    assert reported == {"test"}
    assert "test" not in stopping
    assert not stops & reports
