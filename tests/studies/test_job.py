# SPDX-License-Identifier: Apache-2.0
"""One job from the base model to the unlearned one, on an untrained model."""

import shutil
from dataclasses import replace

import pytest
from peft import PeftModel
from safetensors.torch import load_file

from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.models.loading import load_model
from crossmem_hf.studies import asking
from crossmem_hf.studies.job import Job, run_job


@pytest.fixture(scope="module")
def job(tiny_settings, tmp_path_factory):
    return Job(settings=tiny_settings, seed=0, source="text", folder=tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def result(job, told):
    return run_job(job, lambda step, share: told.append((step, share)))


def test_everyone_is_asked_on_held_out_views_at_every_stage(result):
    cells = {}
    for item in result["asked"]:
        cells.setdefault((item["stage"], item["target"]), []).append((item["persona_id"], item["view"]))
    expected = sorted((f"t0-{person:05d}", view) for person in range(5) for view in range(4))
    assert sorted(cells) == [
        ("base", "text"),
        *[(stage, target) for stage in ("memorized", "unlearned") for target in ("image", "text")],
    ]
    assert all(sorted(asked) == expected for asked in cells.values())
    assert {item["source"] for item in result["asked"]} == {"text"}
    assert all(0 <= item["exposure"] <= 100 for item in result["asked"])


def test_progress_only_rises_and_ends_at_one(result, told):
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(step.startswith("memorizing 2/2") for step, _ in told)


def test_unlearning_stops_on_what_the_stopping_views_say(result):
    looked = {"steps": 1, "looks": [[1, 0.0]]}
    assert result["stopping"] == looked, "an untrained model recalls nobody, so the first look stops it"


def test_adapters_load_on_the_base_and_differ(job, result):
    model, _ = load_model(job.settings.model_name_or_path)
    assert isinstance(PeftModel.from_pretrained(model, str(job.folder / "unlearned")), PeftModel)
    before, after = (load_file(job.folder / name / "adapter_model.safetensors") for name in ("memorized", "unlearned"))
    assert before.keys() == after.keys()
    assert any((before[key] != after[key]).any() for key in before)
    assert all("language_model" in key for key in before)


def test_a_second_run_only_reads(job, result, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("asked again")

    monkeypatch.setattr(asking, "asked_names", refuse)
    assert run_job(job, lambda step, share: None) == result


def test_a_lost_stage_and_what_follows_it_are_made_again(job, result, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(job.folder, folder)
    shutil.rmtree(folder / "asked_unlearned")
    kept = (folder / "memorized" / "adapter_model.safetensors").stat().st_mtime_ns
    assert run_job(replace(job, folder=folder), lambda step, share: None) == result
    assert (folder / "memorized" / "adapter_model.safetensors").stat().st_mtime_ns == kept


def test_other_unlearning_keeps_what_was_memorized(job, result, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(job.folder, folder)
    kept = (folder / "memorized" / "done.json").stat().st_mtime_ns
    harder = replace(job, folder=folder, settings=replace(job.settings, retain_weight=1.0))
    run_job(harder, lambda step, share: None)
    assert (folder / "memorized" / "done.json").stat().st_mtime_ns == kept
    assert (folder / "unlearned" / "done.json").read_text() != (job.folder / "unlearned" / "done.json").read_text()


def test_the_forgotten_are_the_datasets_forgotten(job):
    assert forgotten_ids(job.settings.spec(0)) == frozenset(
        asking.built_rows("profiles", "forget", job.settings.spec(0))["persona_id"]
    )
