# SPDX-License-Identifier: Apache-2.0
"""Settings of the main job and the YAML that sets them."""

from dataclasses import fields

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.studies.settings import FirstLightSettings, settings_from


def test_overrides_win_over_yaml_and_yaml_over_defaults(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("num_personas: 20\nforget_beta: 1\nseeds: 2\n")
    settings = settings_from(path, {"num_personas": 30})
    assert (settings.num_personas, settings.forget_beta, settings.seeds) == (30, 1.0, 2)
    assert isinstance(settings.forget_beta, float)
    assert settings.all_seeds == (0, 1)
    assert settings_from(None, {}) == FirstLightSettings()


def test_the_dataset_of_a_seed_has_the_settings_knobs():
    spec = FirstLightSettings(num_personas=30, num_views=3, image_size=96, forget_fraction=0.1).spec(7)
    assert (spec.num_personas, spec.num_views, spec.image_size, spec.forget_fraction, spec.seed) == (30, 3, 96, 0.1, 7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("num_people: 20", "Unknown setting 'num_people'"),
        ("num_personas: many", "num_personas='many' is a str; expected int"),
        ("forget_beta: true", "forget_beta=True is a bool"),
        ("memorize_learning_rate: 4e-3", "4.0e-3"),
        ("num_personas: 99999", "expected a whole number from 1 to 10500"),
        ("forget_fraction: 1.5", "forget fraction 1.5"),
        ("forget_fraction: 0.001", "empty forget set"),
        ("seeds: 0", "seeds=0"),
        ("seed: 100", "Persona seed 100 is one that the settings"),
        ("gate: 2", "gate=2"),
        ("stop_threshold: -1", "stop_threshold=-1"),
        ("memorize_steps: 0", "memorize_steps=0"),
        ("unlearn_steps: -1", "unlearn_steps=-1"),
        ("stop_every_steps: 0", "stop_every_steps=0"),
        ("unlearn_batch_size: 0", "unlearn_batch_size=0"),
        ("forget_beta: 0", "forget_beta=0"),
        ("retain_weight: -1", "retain_weight=-1"),
        ("unlearn_learning_rate: .nan", "unlearn_learning_rate=nan"),
        ("- 1", "is not a list of settings"),
        ("a: [", "Could not read settings"),
    ],
)
def test_bad_yaml_is_explained(tmp_path, text, said):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(CrossmemError) as caught:
        settings_from(path, {})
    assert said in str(caught.value)


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(CrossmemError, match="Could not read settings"):
        settings_from(tmp_path / "none.yaml", {})


def test_every_setting_says_what_it_is():
    assert all(item.metadata["help"].endswith(".") for item in fields(FirstLightSettings))
