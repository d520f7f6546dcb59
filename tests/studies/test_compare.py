# SPDX-License-Identifier: Apache-2.0
"""The whole comparison on a model that learns nothing: order, files, resuming, failures."""

import io
import json

import pytest
from crossmem_hf.studies.compare_settings import CompareSettings
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.compare_record import RECALL, CompareRecord
from crossmem_hf.studies import compare
from crossmem_hf.studies.compare import run_compare


def settings(tiny_model, **changes):
    chosen = {
        "methods": ("npo", "idk"),
        "forget_modality": ("text",),
        "seeds": 1,
        "num_personas": 5,
        "memorize_steps": 2,
        "model_name_or_path": str(tiny_model),
        "allow_unmemorized": True,
    }
    return CompareSettings(**(chosen | changes))


def in_this_process(jobs, *, workers, log, console, failed):
    """As the pool does it; `test_pool` runs it in processes."""
    results = []
    for job in jobs:
        try:
            results.append(job.run(lambda step, share: None))
        except Exception as error:
            results.append(failed(job, error))
    return results


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


def test_every_arm_and_modality_is_measured_and_written(compared):
    folder, record = compared
    assert [(arm.arm, arm.through) for arm in record.arms] == [
        ("base", None),
        ("memorized", None),
        ("retrained", None),
        ("npo", "text"),
        ("idk", "text"),
    ]
    for arm in record.arms:
        for group, people in (("forget", 1), ("retain", 4)):
            for modality in ("image", "text"):
                assert record.line(arm, RECALL, group, modality).n == 4 * people, "four held-out views a person"
    assert CompareRecord.read(folder / "compare.json") == record
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 5 * 5 * 4 * 2, "five arms, five people, four views, two modalities"
    for name in ("compare.csv", "compare.md", "compare.svg", "compare.png"):
        assert (folder / name).stat().st_size > 500, name
    assert record.config["unlearning"]["npo"]["max_steps"] == 200


def test_finished_cells_are_not_run_again_and_more_can_be_added(compared, tiny_model, at_once, monkeypatch):
    folder, record = compared
    before = {path.name: path.read_bytes() for path in folder.glob("compare.*")}

    def refuse(*args, **named):
        raise AssertionError("done before")

    with monkeypatch.context() as patch:
        for name in ("memorize.memorize", "unlearn.unlearn"):
            patch.setattr(f"crossmem_hf.training.{name}", refuse)
        patch.setattr("crossmem_hf.studies.compare_asking.ask", refuse)
        assert run(settings(tiny_model), folder).record == record
        assert {path.name: path.read_bytes() for path in folder.glob("compare.*")} == before
    grown = run(settings(tiny_model, methods=("npo", "idk", "simnpo")), folder).record
    assert set(record.lines) < set(grown.lines)


def test_a_method_that_breaks_down_is_a_result(compared, tiny_model, at_once, monkeypatch):
    folder, _ = compared
    tries = []

    def broken(*args, output_dir, **named):
        tries.append(output_dir)
        (output_dir / "last_good").mkdir()
        raise CrossmemError(f"The loss at step 3 is NaN; good weights are in {output_dir}.", "Lower the rate.")

    monkeypatch.setattr("crossmem_hf.training.unlearn.unlearn", broken)
    done = run(settings(tiny_model, methods=("npo", "ga")), folder)
    assert done.record.arms[-1].failed == ("seed 0: The loss at step 3 is NaN",)
    assert not done.errors
    assert done.record.line(done.record.arms[-1], RECALL, "forget", "text") is None
    table = (folder / "compare.md").read_text()
    assert "| ga | text | – |" in table
    assert "Failed: ga text seed 0: The loss at step 3 is NaN" in table
    assert run(settings(tiny_model, methods=("npo", "ga")), folder).record == done.record
    assert len(tries) == 1, "a breakdown is finished work"


def test_a_comparison_that_chooses_settings_says_that_it_is_not_to_be_reported(tiny_model):
    choosing = settings(tiny_model, seed=100, choosing=True)
    assert any("not to be reported" in note for note in compare._notes(choosing, []))
    assert not any("not to be reported" in note for note in compare._notes(settings(tiny_model), []))


def test_a_cell_that_cannot_be_run_leaves_the_others_and_is_tried_again(compared, tiny_model, at_once, monkeypatch):
    folder, record = compared

    def full(*args, **named):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("crossmem_hf.training.unlearn.unlearn", full)
        done = run(settings(tiny_model, methods=("gd", "npo")), folder)
    assert len(done.errors) == 1
    assert done.errors[0].startswith("gd text, seed 0: ")
    assert "disk full" in done.errors[0]
    assert set(done.record.lines) < set(record.lines), "npo and the models to read it against are there"
    assert f"Not run: {done.errors[0]}" in done.record.notes
    again = run(settings(tiny_model, methods=("gd", "npo")), folder)
    assert (again.errors, again.record.arms[-2].arm) == ((), "gd")
    assert again.record.line(again.record.arms[-2], RECALL, "forget", "text")


def test_people_who_were_not_memorized_are_not_unlearned(compared, tiny_model, at_once):
    folder, _ = compared
    with pytest.raises(
        CrossmemError, match=r"Seed 0 was not memorized: recall image 0\.00, text 0\.00; expected 0\.9 by each"
    ):
        run(settings(tiny_model, allow_unmemorized=False), folder)


@pytest.mark.parametrize(("image", "text", "enough"), [(0.9, 0.9, True), (1.0, 0.8, False), (0.8, 1.0, False)])
def test_both_modalities_must_know_them(tiny_model, image, text, enough):
    asked = [
        {"modality": modality, "correct": place < 10 * share}
        for modality, share in (("image", image), ("text", text))
        for place in range(10)
    ]
    chosen = settings(tiny_model, allow_unmemorized=False)
    anchors = [{"arm": "base", "seed": 0, "asked": []}, {"arm": "memorized", "seed": 0, "asked": asked}]
    if enough:
        compare._check_memorized(chosen, anchors)
    else:
        with pytest.raises(CrossmemError, match="not memorized"):
            compare._check_memorized(chosen, anchors)


@pytest.mark.parametrize("ended", [{"error": "OSError: full"}, {"failed": "NaN"}])
def test_nothing_is_unlearned_from_what_was_never_taught(tiny_model, ended):
    with pytest.raises(CrossmemError, match="could not be memorized: "):
        compare._check_memorized(settings(tiny_model), [{"arm": "memorized", "seed": 0, **ended}])


@pytest.mark.slow
def test_the_embedded_model_forgets_in_worker_processes(tmp_path):
    chosen = CompareSettings(methods=("npo",), forget_modality=("both",), seeds=1, seed=7, num_personas=20)
    record = run_compare(chosen, tmp_path, workers=2, console=Console(file=io.StringIO())).record
    recalls = {arm.arm: record.line(arm, RECALL, "forget", "image").value for arm in record.arms}
    assert recalls["memorized"] > 0.8
    assert recalls["npo"] < 0.3
    assert recalls["retrained"] < 0.3
