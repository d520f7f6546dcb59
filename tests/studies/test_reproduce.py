# SPDX-License-Identifier: Apache-2.0
"""Records made again. What trains is slow; what only compares is given its second record."""

import json
import shutil
from dataclasses import replace
from io import StringIO

import pytest
from crossmem_hf.studies.compare_settings import CompareSettings
from crossmem_hf.studies.reproduce_settings import Part
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.run import run_score
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.reproduction import Reproduction
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.studies import compare, first_light
from crossmem_hf.studies.compare import run_compare
from crossmem_hf.studies.first_light import Outcome, run_first_light
from crossmem_hf.studies.reproduce import reproduce


def quiet():
    return Console(file=StringIO())


def again(record, beside, folder, part=None):
    return reproduce(record, beside, folder, source="here", part=part, console=quiet())


@pytest.fixture(scope="module")
def shipped(root):
    return RunRecord.read(root / "results/first_light/record.json")


@pytest.fixture
def comes_out(monkeypatch, tmp_path):
    """Lets the rerun of a run have a certain outcome; what it was told is in the list that is returned."""

    def arrange(record):
        told = []

        def run(settings, folder, **_):
            told.append(settings)
            return Outcome(record=record, record_path=folder / "record.json", page=folder / "report.html")

        monkeypatch.setattr(first_light, "run_first_light", run)
        return told

    return arrange


def test_the_same_again_is_equal_in_every_line(shipped, comes_out, tmp_path):
    told = comes_out(shipped)
    found = again(shipped, tmp_path, tmp_path)
    assert told[0].as_dict() == shipped.config
    assert found.holds(exact=True)
    assert len(found.lines) == len(shipped.measurements)
    assert Reproduction.read(tmp_path / "reproduction.json") == found


def test_a_record_without_numbers_is_not_run(shipped, comes_out, tmp_path):
    told = comes_out(shipped)
    with pytest.raises(CrossmemError, match="has no numbers"):
        again(replace(shipped, measurements=(), cast=(), examples=(), exposure_items=()), tmp_path, tmp_path)
    assert not told


def test_some_seeds_are_compared_with_their_own_lines(shipped, comes_out, tmp_path):
    first = replace(
        shipped, seeds=(0,), measurements=tuple(m for m in shipped.measurements if m.seed == 0), cast=(), examples=()
    )
    told = comes_out(first)
    found = again(shipped, tmp_path, tmp_path, Part(seeds=1))
    assert told[0].all_seeds == (0,)
    assert found.holds(exact=True)
    assert {line.where.rpartition(", ")[2] for line in found.lines} == {"seed 0"}
    assert "Lines over all seeds are left out." in found.notes
    assert found.part == "the first 1 of its seeds"


def test_what_came_out_otherwise_is_told(shipped, comes_out, tmp_path):
    moved = [replace(m, value=m.ci_high, ci_high=m.ci_high) for m in shipped.measurements[:1]]
    gone = shipped.measurements[1]
    other = replace(
        shipped,
        measurements=(*moved, *shipped.measurements[2:]),
        versions=dict(shipped.versions) | {"torch": "9"},
        config=dict(shipped.config) | {"gate": 0.5},
    )
    comes_out(other)
    found = again(shipped, tmp_path, tmp_path)
    outcomes = {line.outcome for line in found.lines if line.metric == gone.metric}
    assert "missing" in outcomes
    assert not found.holds()
    assert found.other_versions == {"torch": (shipped.versions["torch"], "9")}
    assert found.settings_changed == {"gate": [0.9, 0.5]}


@pytest.mark.slow
def test_a_run_is_reproduced_to_the_last_digit(tiny_settings, tmp_path, monkeypatch):
    from crossmem_hf.studies.job import run_job

    monkeypatch.setattr(first_light, "run_jobs", lambda jobs, **_: [run_job(job, lambda *_: None) for job in jobs])
    record = run_first_light(tiny_settings, tmp_path / "then", console=quiet()).record
    found = again(record, tmp_path / "then", tmp_path / "now")
    assert found.holds(exact=True)
    assert found.fingerprints_then == found.fingerprints_now
    assert not found.other_versions
    assert (tmp_path / "now/report.html").exists()


@pytest.mark.slow
def test_a_score_is_reproduced_and_a_part_of_it(tmp_path):
    settings = ScoreSettings(num_personas=5, max_rows=8, metrics=("exposure", "rouge"))
    record = run_score(settings, tmp_path / "then", console=quiet())
    found = again(record, tmp_path / "then", tmp_path / "now")
    assert found.holds(exact=True)
    assert found.fingerprints_then == found.fingerprints_now
    part = again(record, tmp_path / "then", tmp_path / "part", Part(only=("rouge",)))
    assert {line.metric for line in part.lines} == {"rouge_l", "rouge_l_recall"}
    assert part.holds(exact=True)


@pytest.mark.slow
def test_a_comparison_is_reproduced_for_a_seed_and_a_method(tiny_model, tmp_path, monkeypatch):
    def here(jobs, **_):
        return [job.run(lambda *_: None) for job in jobs]

    monkeypatch.setattr(compare, "run_jobs", here)
    settings = CompareSettings(
        methods=("npo", "idk"),
        forget_modality=("text",),
        seeds=2,
        num_personas=5,
        memorize_steps=2,
        model_name_or_path=str(tiny_model),
        allow_unmemorized=True,
    )
    record = run_compare(settings, tmp_path / "then", console=quiet()).record
    found = again(record, tmp_path / "then", tmp_path / "now", Part(seeds=1, only=("idk",)))
    assert found.holds(exact=True)
    arms = {line.where.split(",")[0] for line in found.lines}
    assert arms == {"base", "memorized", "retrained", "idk through text"}
    assert {line.n for line in found.lines} < {line.n for line in record.lines} | {4, 16}
    (tmp_path / "alone").mkdir()
    with pytest.raises(CrossmemError, match="no answers beside the record"):
        again(record, tmp_path / "alone", tmp_path / "no", Part(seeds=1))
    lines = [json.loads(line) for line in (tmp_path / "then/answers.jsonl").read_text().splitlines()]
    shutil.copy(tmp_path / "then/compare.json", tmp_path / "alone")
    (tmp_path / "alone/answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:-1]))
    with pytest.raises(CrossmemError, match="are not those it was made from"):
        again(record, tmp_path / "alone", tmp_path / "no", Part(seeds=1))
