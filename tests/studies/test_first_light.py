# SPDX-License-Identifier: Apache-2.0
"""The whole job through worker processes, on an untrained model: files, gate, resuming, refusing."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from crossmem_hf.studies.job import run_job
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.studies import first_light
from crossmem_hf.studies.first_light import default_folder, run_first_light
from crossmem_hf.studies.settings import FirstLightSettings


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Jobs run here, one after another; `test_pool` runs them in processes."""

    def run_here(jobs, **_):
        return [run_job(job, lambda step, share: None) for job in jobs]

    monkeypatch.setattr(first_light, "run_jobs", run_here)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("first_light") / "run"


def quiet():
    return Console(file=StringIO())


def test_the_job_leaves_a_record_answers_and_a_page(tiny_settings, folder):
    outcome = run_first_light(tiny_settings, folder, console=quiet())
    record = RunRecord.read(folder / "record.json")
    assert record == outcome.record
    assert {(m.stage, m.source, m.target) for m in record.measurements if m.metric == "recall"} == {
        (stage, source, target)
        for stage in ("base", "memorized", "unlearned")
        for source in ("image", "text")
        for target in ("image", "text")
    }
    assert len(record.cast) == 5
    assert sum(member.forgotten for member in record.cast) == 1
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 2 * (20 + 2 * 40)
    page = outcome.page.read_text()
    assert record.cast[0].full_name in page
    assert sorted(path.name for path in (folder / "figures").iterdir())
    assert not record.is_interpretable, "an untrained model has memorized nobody"
    assert record.config["num_personas"] == 5
    assert len(record.exposure_items) == 2 * 3 * 10


def test_again_gives_the_same_bytes(tiny_settings, folder):
    before = (folder / "record.json").read_bytes()
    run_first_light(tiny_settings, folder, console=quiet())
    assert (folder / "record.json").read_bytes() == before


def test_the_gate_can_be_overridden_without_running_again(tiny_settings, folder):
    outcome = run_first_light(replace(tiny_settings, allow_unmemorized=True), folder, console=quiet())
    assert outcome.record.is_interpretable


def test_other_settings_need_another_folder(tiny_settings, folder):
    before = (folder / "record.json").read_bytes()
    with pytest.raises(CrossmemError, match="holds another run"):
        run_first_light(replace(tiny_settings, seed=1), folder, console=quiet())
    assert (folder / "record.json").read_bytes() == before


def test_default_folders_differ_with_the_settings():
    plain = FirstLightSettings()
    folders = [
        default_folder(plain),
        default_folder(replace(plain, seeds=2)),
        default_folder(replace(plain, gate=0.5)),
    ]
    assert folders[0] == folders[2]
    assert folders[0] != folders[1]
    assert default_folder(replace(plain, retain_weight=1.0)) != folders[0]


@pytest.mark.parametrize(
    ("stopping", "said"),
    [
        ({"steps": 20, "looks": [[10, 0.5], [20, 0.0]]}, "reached the floor: 20 steps; recall 0.00"),
        ({"steps": 23, "looks": [[10, 0.5], [20, 0.4]]}, "ran all its steps: 23 steps; recall 0.40"),
        ({"steps": 3, "looks": []}, "ran all its steps: 3 steps; nobody looked"),
    ],
)
def test_the_record_says_how_unlearning_ended(tiny_settings, stopping, said):
    assert said in list(first_light._notes(tiny_settings, {"seed 0, image": stopping}))[-1]
