# SPDX-License-Identifier: Apache-2.0
"""Which adapters a run left, and which of their files are shared."""

import json
from dataclasses import replace

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.loading import EMBEDDED_NAME
from crossmem_hf.publishing.adapters import adapter_files, adapters_of, base_of
from crossmem_hf.report.compare_record import CompareArm, CompareLine, CompareRecord
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreLine, ScoreRecord
from tests.publishing.conftest import lay_adapter

NUMBERS = {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 8, "chance": 0.1, "unit": "proportion", "higher_is": "x"}


def test_adapters_of_a_run_with_their_own_numbers(run_folder):
    record = RunRecord.read(run_folder / "record.json")
    found = adapters_of(record, run_folder)
    assert [(adapter.place, adapter.stage) for adapter in found] == [
        ("adapters/seed1_image/memorized", "memorized"),
        ("adapters/seed1_image/unlearned", "unlearned"),
    ]
    for adapter in found:
        assert adapter.lines
        assert all(line.seed == 1 and line.where.startswith(f"{adapter.stage}, image") for line in adapter.lines)
    assert found[1].words == "50 people of seed 1, learned through image, a part of them unlearned by NPO"


def test_adapters_of_a_comparison(tmp_path):
    where = {"metric": "recall", "group": "forget", "modality": "text", "hops": None}
    none = {"wall_s": (), "cpu_s": (), "peak_mib": ()}
    record = CompareRecord(
        config={"num_personas": 5},
        versions={},
        seeds=(0, 7),
        data_fingerprint="d",
        lines=(
            CompareLine(arm="base", through=None, **where, **NUMBERS),
            CompareLine(arm="npo", through="both", **where, **NUMBERS),
        ),
        arms=tuple(
            CompareArm(arm=arm, through=through, steps=(), reached_floor=(), **none)
            for arm, through in (("base", None), ("npo", "both"))
        ),
    )
    lay_adapter(tmp_path / "cells/npo_both_7/adapter")
    (adapter,) = adapters_of(record, tmp_path)
    assert (adapter.place, adapter.stage) == ("adapters/npo_both_7", "unlearned")
    assert [line.where for line in adapter.lines] == ["npo through both, forget, asked in text"]
    assert adapter.against == (), "recall is read by itself"
    shown = tuple(replace(line, metric="exposure") for line in record.lines)
    (adapter,) = adapters_of(replace(record, lines=shown), tmp_path)
    assert [line.where for line in adapter.against] == ["base, forget, asked in text"]


def test_the_adapter_of_a_score_lies_where_its_settings_say(tmp_path):
    folder = lay_adapter(tmp_path / "npo")
    record = ScoreRecord(
        config={"adapter": str(folder)},
        versions={},
        model_fingerprint="m",
        data_fingerprint="d",
        seeds={},
        lines=(ScoreLine(metric="exposure", group="all", **NUMBERS),),
    )
    (adapter,) = adapters_of(record, tmp_path)
    assert adapter.file("README.md") == "README.md"
    assert adapters_of(replace(record, config={"adapter": "you/npo"}), tmp_path) == ()


def test_only_what_is_fit_to_share_goes_along(run_folder):
    adapter = adapters_of(RunRecord.read(run_folder / "record.json"), run_folder)[0]
    names = {name.removeprefix("adapters/seed1_image/memorized/") for name in adapter_files(adapter)}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}


@pytest.mark.parametrize(
    ("base", "shared"),
    [(None, None), ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"), (EMBEDDED_NAME, EMBEDDED_NAME)],
)
def test_the_base_is_named_as_anybody_can_find_it(run_folder, base, shared):
    config = run_folder / "jobs/seed1_image/memorized/adapter_config.json"
    adapter = adapters_of(RunRecord.read(run_folder / "record.json"), run_folder)[0]
    assert base_of(adapter) == EMBEDDED_NAME
    config.write_text(json.dumps({"base_model_name_or_path": base}))
    assert base_of(adapter) == shared
    config.write_text(json.dumps({"base_model_name_or_path": str(run_folder)}))
    assert base_of(adapter) is None


def test_pickled_weights_and_broken_configurations_are_refused(run_folder):
    adapter = adapters_of(RunRecord.read(run_folder / "record.json"), run_folder)[0]
    weights = adapter.folder / "adapter_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CrossmemError, match=r"has no adapter_model\.safetensors"):
        adapter_files(adapter)
    (adapter.folder / "adapter_config.json").write_text("[]")
    with pytest.raises(CrossmemError, match="no configuration of an adapter"):
        base_of(adapter)
