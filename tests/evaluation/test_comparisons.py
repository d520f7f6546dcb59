# SPDX-License-Identifier: Apache-2.0
"""Scores of one model beside those of another that never saw the rows, a holdout, and a judge."""

import io
import json
import math
from dataclasses import replace
from itertools import product

import pytest
from rich.console import Console
from scipy.stats import ks_2samp

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import asking, evaluator, loaded
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.run import run_score
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.record import Record
from crossmem_hf.runs import distributed as sharding
from tests.scoring.judge_server import JudgeServer, direct, verdict  # noqa: F401

BOTH = ScoreSettings(num_personas=5, max_rows=6, metrics=("truth_ratio", "priv_leak"), holdout_split="retain_eval")


def quiet():
    return Console(file=io.StringIO(), width=120)


@pytest.fixture(scope="module")
def retain_only(tmp_path_factory, tiny_model):
    """The folder of another model's scores of the same rows."""
    folder = tmp_path_factory.mktemp("retain_only")
    run_score(replace(BOTH, model=str(tiny_model)), folder, console=quiet())
    return folder


def test_without_a_retain_only_model_there_is_an_auc_and_no_leak(retain_only):
    record = Record.read(retain_only / "record.json")
    assert record.one("priv_leak_auc").n == 6 + len(Predictions.read(retain_only / "holdout.jsonl"))
    assert record.one("priv_leak") is None
    assert record.one("forget_quality") is None


def lowest(item):
    own = sorted(item["token_logprobs"][: len(item["token_logprobs"]) - item["num_end_tokens"]])
    count = max(1, math.floor(0.4 * len(own)))
    return sum(own[:count]) / count


def auc(folder):
    forget, held = (
        [lowest(item) for item in Predictions.read(folder / f"{name}.jsonl")] for name in ("predictions", "holdout")
    )
    pairs = list(product(forget, held))
    return sum((b > a) + 0.5 * (b == a) for a, b in pairs) / len(pairs)


def test_a_retain_only_model_gives_forget_quality_and_priv_leak(retain_only, tmp_path):
    record = run_score(replace(BOTH, retain_only=retain_only), tmp_path, console=quiet())
    ours, theirs = (
        [item["ratio"] for item in Predictions.read(folder / "predictions.jsonl")]
        for folder in (tmp_path, retain_only)
    )
    assert record.one("forget_quality").value == pytest.approx(ks_2samp(ours, theirs).pvalue)
    expected = 100 * (auc(tmp_path) - auc(retain_only)) / auc(retain_only)
    assert record.one("priv_leak").value == pytest.approx(expected)
    assert record.one("priv_leak_auc").value == pytest.approx(auc(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"retain_only": "missing"}, "Could not read .*record.json"),
        ({"max_rows": 5}, "has scores of other rows"),
        ({"holdout_split": "retain"}, "has scores of other holdout rows"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_before_the_model(retain_only, tmp_path, monkeypatch, changes, said):
    monkeypatch.setattr(loaded, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    changes = {"retain_only": retain_only, **changes}
    if changes["retain_only"] == "missing":
        changes["retain_only"] = tmp_path / "missing"
    with pytest.raises(CrossmemError, match=said):
        run_score(replace(BOTH, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scores_that_lack_a_pass_or_have_other_false_answers_are_refused(retain_only, tmp_path):
    items = Predictions.read(retain_only / "predictions.jsonl")
    for name in ("record.json", "holdout.jsonl"):
        (tmp_path / name).write_bytes((retain_only / name).read_bytes())
    Predictions([{**item, "token_logprobs": None} for item in items]).write(tmp_path / "predictions.jsonl")
    with pytest.raises(CrossmemError, match="no token_logprobs, which priv_leak needs"):
        run_score(replace(BOTH, retain_only=tmp_path), tmp_path / "out")
    Predictions([{**item, "false_indices": item["false_indices"][1:]} for item in items]).write(
        tmp_path / "predictions.jsonl"
    )
    with pytest.raises(CrossmemError, match="other true or false answers"):
        run_score(replace(BOTH, retain_only=tmp_path), tmp_path / "out")


RANKED = ScoreSettings(num_personas=5, max_rows=6, metrics=("exposure",))


@pytest.fixture(scope="module")
def base(tmp_path_factory, tiny_model):
    """The folder of another model's Exposure of the same rows."""
    folder = tmp_path_factory.mktemp("base")
    run_score(replace(RANKED, model=str(tiny_model)), folder, console=quiet())
    return folder


def test_exposure_is_shown_beside_a_baseline_and_what_is_missing_is_said(base, tmp_path):
    console = quiet()
    record = run_score(replace(RANKED, baseline=(f"base={base}",)), tmp_path, console=console)
    theirs = Record.read(base / "record.json")
    for name in ("exposure", "exposure_bits", "exposure_linear", "mrr"):
        beside = record.one(name, model="base")
        assert (beside.value, beside.chance) == (theirs.one(name).value, theirs.one(name).chance), name
        assert beside.value != record.one(name).value
    rows = console.file.getvalue().splitlines()
    place = next(number for number, row in enumerate(rows) if row.startswith("exposure "))
    assert rows[place + 1].split()[:2] == ["base", f"{theirs.one('exposure').value:.3g}"]
    assert any("No memorized model is here to read Exposure against" in note for note in record.notes)
    assert any("No base and no memorized model" in note for note in theirs.notes)
    alone = run_score(RANKED, tmp_path, console=quiet())  # the same folder, without it
    assert alone.one("exposure") == record.one("exposure")
    assert alone.one("exposure", model="base") is None
    assert Record.read(tmp_path / "record.json") == alone


def test_a_baseline_that_does_not_fit_is_refused_before_the_model(base, tmp_path, monkeypatch):
    monkeypatch.setattr(loaded, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))

    def refused(said, *baseline, **changes):
        with pytest.raises(CrossmemError, match=said):
            run_score(replace(RANKED, baseline=baseline, **changes), tmp_path / "out", console=quiet())
        assert not (tmp_path / "out").exists()

    refused("Could not read .*record.json", f"base={tmp_path}")
    refused("has scores of other rows", f"base={base}", max_rows=5)
    refused("'base' and 'memorized' are the same model", f"base={base}", f"memorized={base}")
    (tmp_path / "record.json").write_bytes((base / "record.json").read_bytes())
    items = Predictions.read(base / "predictions.jsonl")
    items[:-1].write(tmp_path / "predictions.jsonl")
    refused("5 predictions of 6 rows", f"base={tmp_path}")
    fewer = {**items[3], "num_candidates": items[3]["num_candidates"] - 1}
    Predictions([*items[:3], fewer, *items[4:]]).write(tmp_path / "predictions.jsonl")
    refused("Row 3: .* ranked 4 other candidates", f"memorized={tmp_path}")


@pytest.mark.usefixtures("direct")
def test_a_judge_is_asked_once_and_its_scores_are_averaged(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("CROSSMEM_JUDGE_TOKEN", "sk-told-to-nobody-else")
    settings = ScoreSettings(num_personas=5, max_rows=4, model=str(tiny_model), metrics=("judge",), judge_model="j")
    with JudgeServer(lambda queried: verdict(1.0 if queried.number % 2 else 0.0)) as server:
        settings = replace(settings, judge_url=server.url)
        record = run_score(settings, tmp_path, console=quiet())
        queried = len(server.requested)
        assert run_score(settings, tmp_path, console=quiet()) == record
        assert len(server.requested) == queried
        headers = [{name.lower(): value for name, value in one.headers.items()} for one in server.requested]
        assert {sent["authorization"] for sent in headers} == {"Bearer sk-told-to-nobody-else"}
    items = Predictions.read(tmp_path / "predictions.jsonl")
    assert {item["judge_score"] for item in items} == {0.0, 1.0}
    assert record.one("judge_score").value == sum(item["judge_score"] for item in items) / 4
    assert any(note.startswith("Judged by j under prompt") for note in record.notes)
    assert "sk-told" not in "".join(path.read_text() for path in tmp_path.rglob("*.json*"))


class OtherProcess:
    """A second process, as the main one would see it."""

    is_main_process, process_index, device = False, 0, "cpu"


def test_only_the_main_process_writes(tmp_path, tiny_model, monkeypatch):
    settings = ScoreSettings(num_personas=5, max_rows=2, model=str(tiny_model), metrics=("rouge",))
    for module in (asking, evaluator):
        monkeypatch.setattr(module, "joined_state", OtherProcess)
    assert run_score(settings, tmp_path) is None
    assert {path.name for path in tmp_path.iterdir()} == {"jobs"}
    assert sharding.joined_state().num_processes == 1
    assert all(json.loads(line) for path in tmp_path.glob("jobs/*/0.jsonl") for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "no/such-model"}, "There is no model 'no/such-model' here, and the Hub cannot be reached"),
        ({"adapter": "no/such-adapter"}, "There is no adapter 'no/such-adapter' here, and the Hub cannot be reached"),
        ({"dtype": "float8"}, "Unknown dtype 'float8'"),
        ({"split": "nowhere"}, "Unknown split 'nowhere'"),
    ],
)
def test_names_that_lead_nowhere(tmp_path, changes, said):
    with pytest.raises(CrossmemError, match=said):
        run_score(ScoreSettings(**{"num_personas": 5, "max_rows": 2, **changes}), tmp_path / "out")
    assert not list(tmp_path.glob("out/jobs/*"))


def test_a_folder_that_is_no_adapter(tmp_path):
    (tmp_path / "empty").mkdir()
    settings = ScoreSettings(num_personas=5, max_rows=2, adapter=str(tmp_path / "empty"))
    with pytest.raises(CrossmemError, match="Could not put the adapter"):
        run_score(settings, tmp_path / "out")
