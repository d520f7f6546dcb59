# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.studies.compare_settings import CompareSettings, names_in
from crossmem_hf.training.methods import METHODS
from crossmem_hf.training.micro import TUNED


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
        ({"memorise_steps": 0}, "memorise_steps=0"),
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
