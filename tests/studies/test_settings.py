# SPDX-License-Identifier: Apache-2.0
"""Settings of studies, and the YAML and records that set them."""

import pytest
from pydantic import Field

from crossmem_hf.errors import CrossmemError
from crossmem_hf.studies.compare import CompareSettings
from crossmem_hf.studies.settings import StudySettings, TrainingSettings, selects, settings_from, some_of


def test_settings_from_takes_overrides_over_yaml_over_quick_over_defaults(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("num_personas: 20\nforget_beta: 1\nseeds: 2\nmemorize_learning_rate: 4e-3\n")
    settings = settings_from(TrainingSettings, path, {"num_personas": 30}, quick={"seeds": 1, "num_views": 2})
    assert (settings.num_personas, settings.forget_beta, settings.num_views) == (30, 1.0, 2)
    assert (settings.all_seeds, settings.memorize_learning_rate) == ((0, 1), 4e-3)
    assert isinstance(settings.forget_beta, float)
    assert settings_from(TrainingSettings, None, {}) == TrainingSettings()


def test_spec_has_the_knobs_of_the_settings():
    spec = StudySettings(num_personas=30, num_views=3, image_size=96, forget_fraction=0.1).spec(7)
    assert (spec.num_personas, spec.num_views, spec.image_size, spec.forget_fraction, spec.seed) == (30, 3, 96, 0.1, 7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("num_people: 20", "Unknown setting 'num_people'"),
        ("num_personas: many", "num_personas='many' should be a valid integer"),
        ("num_personas: 2.5", "should be a valid integer"),
        ("forget_beta: true", "forget_beta=True should not be true or false"),
        ("num_personas: 99999", "expected a whole number from 1 to 10500"),
        ("image_size: 8", "image_size=8"),
        ("lora_target_modules: '('", "lora_target_modules='(' is no regular expression"),
        ("forget_fraction: 1.5", "forget_fraction=1.5 should be less than 1"),
        ("forget_fraction: 0.001", "empty forget set"),
        ("seeds: 0", "seeds=0 should be greater than or equal to 1"),
        ("seeds: 101", "less than or equal to 100"),
        ("seed: 100", "Persona seed 100 is one that the settings"),
        ("min_recall: 2", "min_recall=2 should be less than or equal to 1"),
        ("memorize_steps: 0", "memorize_steps=0"),
        ("retain_weight: -1", "retain_weight=-1"),
        ("unlearn_learning_rate: .nan", "unlearn_learning_rate=nan"),
        ("- 1", "is not a list of settings"),
        ("a: [", "Could not read settings"),
    ],
)
def test_settings_from_explains_bad_yaml(tmp_path, text, said):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(CrossmemError) as caught:
        settings_from(TrainingSettings, path, {})
    assert said in str(caught.value)


def test_settings_from_explains_a_missing_file(tmp_path):
    with pytest.raises(CrossmemError, match="Could not read settings"):
        settings_from(StudySettings, tmp_path / "none.yaml", {})


def test_all_unknown_settings_are_named_with_what_they_may_have_been():
    with pytest.raises(CrossmemError, match=r"Unknown settings: 'sed' \(did you mean 'seed'\?\), 'unlearn_stepz'"):
        TrainingSettings(sed=1, unlearn_stepz=2)


def test_settings_explain_themselves():
    for kind in (TrainingSettings, CompareSettings):
        for name, field in kind.model_fields.items():
            assert (field.description or "").endswith("."), name


def test_of_cells_leaves_out_what_only_chooses_cells():
    many, few = CompareSettings(seeds=5, methods=("npo",)), CompareSettings(seed=7, seeds=1, min_recall=0.5)
    assert many.of_cells() == few.of_cells() != CompareSettings(memorize_steps=7).of_cells()
    assert selects(CompareSettings, "methods")
    assert not selects(CompareSettings, "dataset_config")


def test_choosing_allows_the_seeds_that_settings_were_chosen_on():
    assert StudySettings(seed=100, seeds=1, choosing=True).all_seeds == (100,)


def test_some_of_takes_a_list_or_one_text():
    class Some(StudySettings):
        letters: some_of(("a", "b", "c")) = Field(("a",), description="Letters.")

    assert Some(letters="b, a").letters == Some(letters=["b", "a"]).letters == ("b", "a")
    for odd in ("", "a,a"):
        with pytest.raises(CrossmemError, match=r"letters='.*'; expected different ones of a, b, c"):
            Some(letters=odd)
    with pytest.raises(CrossmemError, match=r"letters='a,d': Unknown name 'd'. Choose from a, b, c."):
        Some(letters="a,d")
