# SPDX-License-Identifier: Apache-2.0
"""The whole comparison on a model that learns nothing: order, files, resuming, failures."""

import io
import json

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.compare_record import RECALL, CompareRecord
from crossmem_hf.studies import compare
from crossmem_hf.studies.compare import run_compare
from crossmem_hf.studies.compare_settings import CompareSettings


def settings(tiny_model, **changes):
    chosen = {
        "methods": ("npo", "idk"),
        "forget_modality": ("text",),
        "seeds": 1,
        "num_personas": 5,
        "memorise_steps": 2,
        "model_name_or_path": str(tiny_model),
        "allow_unmemorised": True,
    }
    return CompareSettings(**(chosen | changes))


def in_this_process(jobs, *, workers, log, console):
    return [job.run(lambda step, share: None) for job in jobs]


def run(chosen, folder):
    return run_compare(chosen, folder, console=Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def compared(tiny_model, tmp_path_factory):
    """(folder, record) of one run."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "run_jobs", in_this_process)
        done = run(settings(tiny_model), folder)
    return folder, done.record


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(compare, "run_jobs", in_this_process)


def test_every_arm_and_door_is_measured_and_written(compared):
    folder, record = compared
    assert [(arm.arm, arm.through) for arm in record.arms] == [
        ("base", None),
        ("memorised", None),
        ("retrained", None),
        ("npo", "text"),
        ("idk", "text"),
    ]
    for arm in record.arms:
        for group, people in (("forget", 1), ("retain", 4)):
            for door in ("image", "text"):
                assert record.line(arm, RECALL, group, door).n == 4 * people, "four held-out views a person"
    assert CompareRecord.read(folder / "compare.json") == record
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 5 * 5 * 4 * 2, "five arms, five people, four views, two doors"
    for name in ("compare.csv", "compare.md", "compare.svg", "compare.png"):
        assert (folder / name).stat().st_size > 500, name
    assert record.config["unlearning"]["npo"]["max_steps"] == 200


def test_finished_cells_are_not_run_again_and_more_can_be_added(compared, tiny_model, at_once, monkeypatch):
    folder, record = compared
    before = {path.name: path.read_bytes() for path in folder.glob("compare.*")}

    def refuse(*args, **named):
        raise AssertionError("done before")

    with monkeypatch.context() as patch:
        for name in ("memorise.memorise", "unlearn.unlearn"):
            patch.setattr(f"crossmem_hf.training.{name}", refuse)
        patch.setattr("crossmem_hf.studies.compare_asking.ask", refuse)
        assert run(settings(tiny_model), folder).record == record
        assert {path.name: path.read_bytes() for path in folder.glob("compare.*")} == before
    grown = run(settings(tiny_model, methods=("npo", "idk", "simnpo")), folder).record
    assert set(record.lines) < set(grown.lines)


def test_a_method_that_breaks_down_is_a_result(compared, tiny_model, at_once, monkeypatch):
    folder, _ = compared

    def broken(*args, **named):
        raise CrossmemError("The loss at step 3 is NaN.", "Lower the learning rate.")

    monkeypatch.setattr("crossmem_hf.training.unlearn.unlearn", broken)
    record = run(settings(tiny_model, methods=("npo", "ga")), folder).record
    assert "The loss at step 3 is NaN" in record.arms[-1].failed[0]
    assert record.line(record.arms[-1], RECALL, "forget", "text") is None
    table = (folder / "compare.md").read_text()
    assert "| ga | text | – |" in table
    assert "Failed: ga text seed 0: The loss at step 3 is NaN" in table


def test_people_who_were_not_memorised_are_not_unlearnt(compared, tiny_model, at_once):
    folder, _ = compared
    with pytest.raises(
        CrossmemError, match=r"Seed 0 was not memorised: recall image 0\.00, text 0\.00; expected 0\.9"
    ):
        run(settings(tiny_model, allow_unmemorised=False), folder)


@pytest.mark.slow
def test_the_embedded_model_forgets_in_worker_processes(tmp_path):
    chosen = CompareSettings(methods=("npo",), forget_modality=("both",), seeds=1, seed=7, num_personas=20)
    record = run_compare(chosen, tmp_path, workers=2, console=Console(file=io.StringIO())).record
    recalls = {arm.arm: record.line(arm, RECALL, "forget", "image").value for arm in record.arms}
    assert recalls["memorised"] > 0.8
    assert recalls["npo"] < 0.3
    assert recalls["retrained"] < 0.3
