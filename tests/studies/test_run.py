# SPDX-License-Identifier: Apache-2.0
"""The engine of studies on a study that trains nothing: what is cached, what fails, what goes on."""

import json
from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Record
from crossmem_hf.studies.run import NOT_RUN, default_folder, run_study
from crossmem_hf.studies.study import cell_name
from tests.studies.conftest import run_here
from tests.studies.tiny_study import STUDY, TinySettings


def settings(**chosen):
    return TinySettings(**({"num_personas": 5, "seeds": 2} | chosen))


def run(folder, chosen=None, **how):
    return run_study(STUDY, chosen or settings(), folder, console=Console(file=StringIO()), **how)


def test_run_study_writes_all_that_a_reader_needs(monkeypatch, tmp_path):
    run_here(monkeypatch, pages=True)
    record = run(tmp_path)
    assert Record.read(tmp_path) == record
    assert (record.study, record.seeds, record.config["about"]) == ("tiny", (0, 1), "tests")
    assert record.config["known"] == 4
    assert {*record.fingerprints} == {"data", "model"}
    assert {cell_name(one.where): (one.value, one.by_seed) for one in record.find("recall")} == {
        "known": (1.0, {0: 1.0, 1: 1.0}),
        "forgotten": (0.0, {0: 0.0, 1: 0.0}),
    }
    assert [one.n for one in record.find("recall", seed=None)] == [8, 8]
    assert [one.where["seed"] for one in record.find("cpu_s", method="known")] == [0, 1]
    assert record.notes == (
        "16 answers.",
        *(f"{method} of seed {seed} was asked." for seed in (0, 1) for method in ("known", "forgotten")),
    )
    queried = Predictions.read(tmp_path)
    assert [one["seed"] for one in queried] == [0] * 8 + [1] * 8
    assert queried.where(method="known", seed=1)[0]["persona_id"] == "p1-0"
    for name in ("report.html", "report.md", "figures"):
        assert (tmp_path / name).exists()


def test_run_study_does_nothing_twice(in_process, tmp_path):
    first = run(tmp_path)
    assert len(in_process) == 4
    assert run(tmp_path) == first
    assert len(in_process) == 4


def test_run_study_reuses_cells_for_new_seeds_and_methods(in_process, tmp_path):
    run(tmp_path, settings(methods="known"))
    assert in_process == ["known_seed0", "known_seed1"]
    record = run(tmp_path, settings(seeds=3))
    assert in_process[2:] == ["forgotten_seed0", "forgotten_seed1", "known_seed2", "forgotten_seed2"]
    assert record.seeds == (0, 1, 2)
    assert run(tmp_path, settings(seeds=1)).seeds == (0,)
    assert len(in_process) == 6


def test_run_study_judges_claims_over_seeds(in_process, tmp_path):
    few = run(tmp_path)
    assert {one.verdict for one in few.verdicts} == {"inconclusive"}
    many = run(tmp_path, settings(seeds=5))
    assert {one.reason for one in many.verdicts} == {"All seeds gave the same effect, which sets no interval."}
    assert [(one.effect, one.n) for one in many.verdicts] == [(1.0, 5), (-1.0, 5), (0.0, 5)]


def test_run_study_goes_on_past_a_cell_that_fails(in_process, tmp_path):
    record = run(tmp_path, settings(failing="known"))
    assert [(one.where["seed"], one.error) for one in record.failures] == [
        (seed, f"{NOT_RUN}No memory left. Buy some.") for seed in (0, 1)
    ]
    assert {one.where["method"] for one in record.find("recall")} == {"forgotten"}
    in_process.clear()
    assert run(tmp_path).failures == ()
    assert in_process == ["known_seed0", "known_seed1"]  # tried again, the others kept


def test_run_study_keeps_a_training_that_broke_down_as_a_result(in_process, tmp_path):
    record = run(tmp_path, settings(broken="known"))
    assert [one.error for one in record.failures] == ["Weights ceased to be numbers."] * 2
    in_process.clear()
    assert run(tmp_path, settings(broken="known")) == record
    assert in_process == []


def test_run_study_refuses_if_no_cell_could_be_run(in_process, tmp_path):
    with pytest.raises(CrossmemError, match="No cell could be run: No memory left"):
        run(tmp_path, settings(failing="known", methods="known"))
    assert not (tmp_path / "record.json").exists()


def test_run_study_goes_on_where_it_was_killed(in_process, tmp_path, monkeypatch):
    from crossmem_hf.studies.jobs import CellJob

    whole, runs = CellJob.run, []

    def dies(job, progress):
        runs.append(job.name)
        if len(runs) == 3:
            raise KeyboardInterrupt
        return whole(job, progress)

    monkeypatch.setattr(CellJob, "run", dies)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    run(tmp_path)
    assert sorted(set(runs[:2]) & set(runs[2:])) == []
    assert len(Predictions.read(tmp_path)) == 16


@pytest.mark.slow
def test_run_study_in_processes_goes_on_after_one_died(tmp_path):
    with pytest.raises(CrossmemError, match="worker process died"):
        run(tmp_path, settings(killed="forgotten", seeds=1), workers=1)
    kept = (tmp_path / "cells/known_seed0/done.json").stat().st_mtime_ns
    record = run(tmp_path, settings(seeds=1), workers=1)
    assert len(record.find("recall")) == 2
    assert (tmp_path / "cells/known_seed0/done.json").stat().st_mtime_ns == kept


def test_run_study_refuses_the_folder_of_other_settings(in_process, tmp_path):
    run(tmp_path)
    with pytest.raises(CrossmemError, match="another run"):
        run(tmp_path, settings(known=2))
    replaced = run(tmp_path, settings(known=2), overwrite=True)
    assert replaced.one("recall", method="known").value == 0.5
    assert len(in_process) == 8


def test_default_folder_tells_settings_apart_but_not_grids():
    usual = default_folder(STUDY, TinySettings())
    assert usual == default_folder(STUDY, TinySettings(seeds=7, methods="known", min_recall=0.1))
    assert usual.name == "tiny"
    assert default_folder(STUDY, TinySettings(known=1)).name.startswith("tiny-")


def test_run_study_runs_a_cell_again_whose_files_are_damaged(in_process, tmp_path):
    first = run(tmp_path)
    (tmp_path / "cells/known_seed0/predictions.jsonl").write_text("")
    in_process.clear()
    assert run(tmp_path) == first
    assert in_process == ["known_seed0"]


def test_run_study_runs_cells_again_whose_code_changed(in_process, tmp_path, monkeypatch):
    from crossmem_hf.studies import jobs

    run(tmp_path)
    monkeypatch.setattr(jobs, "code_fingerprint", lambda *_: "other")
    run(tmp_path)
    assert len(in_process) == 8
    assert json.loads((tmp_path / "cells/known_seed0/done.json").read_text())["inputs"]["code"] == "other"


def test_run_study_refuses_a_grid_with_a_cell_twice(tmp_path):
    from dataclasses import replace

    twice = replace(STUDY, grid=lambda _: [{"method": "known", "seed": 0}] * 2)
    with pytest.raises(CrossmemError, match="has a cell twice"):
        run_study(twice, settings(), tmp_path)
