# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in `crossmem score` is said, costs nothing that was done, and leaves no trace in the folder."""

import io
import json
import sys
from dataclasses import replace
from threading import Lock

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.run import run_score
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.record import Record
from tests.scoring.judge_server import JudgeServer, Reply, completion, direct, quick, verdict  # noqa: F401


@pytest.fixture
def settings(tiny_model):
    return ScoreSettings(num_personas=5, max_rows=4, model=str(tiny_model), metrics=("exact_match",))


def run(settings, folder):
    """The record, and what was printed."""
    console = Console(file=io.StringIO(), width=200)
    record = run_score(settings, folder, console=console)
    return record, console.file.getvalue()


@pytest.mark.parametrize(
    "wrong", [{"device": "cuda:7"}, {"device": "banana"}, {"dtype": "float8"}, {"adapter": "nowhere"}]
)
def test_a_start_that_fails_does_not_own_the_folder(settings, tmp_path, wrong):
    with pytest.raises(CrossmemError):
        run(replace(settings, **wrong), tmp_path / "out")
    record, _ = run(settings, tmp_path / "out")
    assert record.one("exact_match").n == 4


def test_a_holdout_of_the_rows_themselves_is_refused(settings, tmp_path):
    same = replace(settings, metrics=("priv_leak",), holdout_split="forget")
    with pytest.raises(CrossmemError, match="4 rows of the holdout split 'forget' are among the rows"):
        run(same, tmp_path)
    record, _ = run(replace(same, holdout_split="retain"), tmp_path)
    assert len(Predictions.read(tmp_path / "holdout.jsonl")) == 4  # at most as many rows as are scored
    assert record.one("priv_leak_auc").n == 8


def test_options_without_effect_are_said(settings, tmp_path):
    one = replace(settings, config="recall_image", split="test", source="image", metrics=("recall",))
    record, printed = run(one, tmp_path)
    assert "All rows ask in one modality" in "".join(record.notes)
    assert "All rows ask in one modality" in printed
    with pytest.raises(CrossmemError, match="--judge-url came without --judge-model"):
        replace(settings, judge_url="http://127.0.0.1:1")


def test_an_answer_without_a_verdict_costs_no_other_number(settings, tmp_path):
    judged = replace(settings, metrics=("judge", "exact_match"), judge_model="j")
    run(settings, tmp_path / "plain")
    first = Predictions.read(tmp_path / "plain" / "predictions.jsonl")[0]["truth"]
    with JudgeServer(lambda queried: verdict(5.0) if first in str(queried.payload) else verdict(0.5)) as server:
        record, printed = run(replace(judged, judge_url=server.url), tmp_path / "judged")
    left = record.one("judge_score").n
    assert 0 < left < 4
    assert f"without a verdict: {4 - left} of 4 answers" in "".join(record.notes)
    assert "requests" in printed


def failing(kinds):
    """A judge that fails about the first items in the ways named, and gives 0.9 to the others."""
    first: dict[str, str] = {}
    alone = Lock()  # the server answers in threads

    def behave(queried):
        item = json.dumps(queried.item)
        with alone:
            if item not in first:
                first[item] = kinds.pop(0) if kinds else "fine"
        kind = first[item]
        return {"500": Reply(status=500), "dropped": Reply(drop=True), "no verdict": completion("0.0")}.get(
            kind, verdict(0.9)
        )

    return behave


@pytest.mark.usefixtures("quick", "direct")
def test_requests_that_fail_are_missing_counted_and_named_and_no_zeros(settings, tmp_path):
    judged = replace(settings, metrics=("judge",), judge_model="j", max_rows=6)
    with JudgeServer(failing(["500", "no verdict"])) as server:
        record, _ = run(replace(judged, judge_url=server.url), tmp_path)
    items = Predictions.read(tmp_path / "predictions.jsonl")
    line = record.one("judge_score")
    assert (line.value, line.n) == (pytest.approx(0.9), 4)
    missing = [item for item in items if item["judge_score"] is None]
    assert len(missing) == 2
    reasons = sorted(item["judge_failure"] for item in missing)
    assert reasons == [
        "no reply to 6 requests; the last one: HTTP 500",
        "the reply is JSON but no object (asked 3 times)",
    ]
    assert all(item["judge_failure"] is None for item in items if item not in missing)
    (note,) = [note for note in record.notes if note.startswith("Judged by")]
    assert "without a verdict: 2 of 6 answers, which are in no mean; most often: " in note
    assert sum(item["judge_score"] or 0.0 for item in items) / 6 == pytest.approx(0.6), "the fault"


@pytest.mark.usefixtures("quick", "direct")
def test_a_judge_that_fails_often_gives_no_mean_and_is_asked_again(settings, tmp_path):
    judged = replace(settings, metrics=("judge", "exact_match"), judge_model="j")
    with JudgeServer(failing(["no verdict"] * 3)) as server:
        with pytest.raises(CrossmemError, match="Only 1 of 4 answers got a verdict; most often: the reply is JSON"):
            run(replace(judged, judge_url=server.url), tmp_path)
        record = Record.read(tmp_path / "record.json")
        assert record.one("judge_score") is None
        assert record.one("exact_match").n == 4
        server.behave = lambda queried: verdict(0.0)
        before = len(server.requested)
        again, _ = run(replace(judged, judge_url=server.url), tmp_path)
        assert len(server.requested) == before + 3
    assert (again.one("judge_score").value, again.one("judge_score").n) == (pytest.approx(0.9 / 4), 4)


def test_a_judge_that_fails_altogether_costs_no_other_number(settings, tmp_path):
    with JudgeServer(lambda queried: verdict(5.0)) as server:
        judged = replace(settings, metrics=("judge", "exact_match"), judge_model="j", judge_url=server.url)
        with pytest.raises(CrossmemError, match="No answer got a verdict"):
            run(judged, tmp_path)
    record = Record.read(tmp_path / "record.json")
    assert record.one("exact_match").n == len(Predictions.read(tmp_path / "predictions.jsonl")) == 4
    assert any(note.startswith("The judge failed") for note in record.notes)


def test_a_judge_without_its_client_is_refused_before_the_model(settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(CrossmemError, match="through the openai client"):
        run(replace(settings, metrics=("judge",), judge_model="j", model="no/such-model"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
