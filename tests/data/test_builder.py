# SPDX-License-Identifier: Apache-2.0
import pytest
from datasets import DatasetBuilder

from crossmem_hf.data.builder import PersonasBuilder
from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError


@pytest.fixture
def build(tmp_path, spec):
    def build_config(config, **knobs):
        builder = PersonasBuilder(str(tmp_path), config_name=config, **(spec.as_dict() | knobs))
        builder.download_and_prepare()
        return builder

    return build_config


@pytest.mark.parametrize("config", SPLITS)
def test_every_config_has_its_splits_features_and_rows(build, config):
    data = build(config).as_dataset()
    assert tuple(data) == SPLITS[config]
    for rows in data.values():
        assert rows.features == features_of(config)
        assert len(rows) > 0


def test_it_is_a_hugging_face_builder_with_the_default_config():
    builder = PersonasBuilder()
    assert isinstance(builder, DatasetBuilder)
    assert builder.config.name == "recall_image"
    assert set(PersonasBuilder.builder_configs) == set(SPLITS)


def test_every_knob_names_another_cache_folder(tmp_path):
    knobs = [{}, {"num_personas": 20}, {"num_views": 3}, {"seed": 1}, {"image_size": 96}, {"forget_fraction": 0.1}]
    knobs += [{"qa_per_persona": 30}, {"single_hop_share": 0.5}]
    folders = {PersonasBuilder(str(tmp_path), config_name="qa", **chosen).cache_dir for chosen in knobs}
    assert len(folders) == len(knobs)


def test_another_version_of_the_code_names_another_cache_folder(tmp_path, monkeypatch):
    before = PersonasBuilder(str(tmp_path), config_name="qa").cache_dir
    monkeypatch.setattr("crossmem_hf.data.builder.rows_fingerprint", lambda: "0123456789abcdef")
    assert PersonasBuilder(str(tmp_path), config_name="qa").cache_dir != before


@pytest.mark.parametrize(("config", "split"), [("recall_text", "train"), ("preference", "retain")])
def test_two_processes_build_the_rows_of_one(build, tmp_path, spec, config, split):
    one = build(config).as_dataset(split)
    builder = PersonasBuilder(str(tmp_path / "two"), config_name=config, **spec.as_dict())
    builder.download_and_prepare(num_proc=2)
    assert list(builder.as_dataset(split).remove_columns("images")) == list(one.remove_columns("images"))


def test_a_preset_gives_the_knobs_that_are_not_given(tmp_path):
    builder = PersonasBuilder(str(tmp_path), config_name="qa", preset="remem", num_views=3)
    assert builder.config.spec() == DatasetSpec.remem(num_views=3)
    assert (
        builder.cache_dir
        == PersonasBuilder(str(tmp_path), config_name="qa", **DatasetSpec.remem(num_views=3).as_dict()).cache_dir
    )
    with pytest.raises(CrossmemError, match="Unknown preset 'tofu'"):
        PersonasBuilder(str(tmp_path), preset="tofu")


def test_unknown_config_lists_those_that_exist():
    with pytest.raises(CrossmemError, match=r"Unknown config 'quiz'\. Choose from recall_image"):
        PersonasBuilder(config_name="quiz")


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"num_personas": 10**9}, "num_personas=1000000000; expected a whole number from 1 to"),
        ({"forget_fraction": 2.0}, "forget fraction 2.0"),
        ({"qa_per_persona": 900, "num_views": 1}, r"630 questions of 1 hop\(s\) a person; 28 different ones exist"),
    ],
)
def test_the_impossible_is_refused_before_anything_is_built(tmp_path, knobs, says):
    with pytest.raises(CrossmemError, match=says):
        PersonasBuilder(str(tmp_path), config_name="qa", **knobs)
    assert not list(tmp_path.iterdir())
