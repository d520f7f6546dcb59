# SPDX-License-Identifier: Apache-2.0
"""`crossmem score`, from its options to its files and its exit code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli.app import app


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_score_passes_what_was_said(invoke, monkeypatch):
    from crossmem_hf.evaluation import run as score

    seen = {}
    monkeypatch.setattr(score, "run_score", lambda settings, folder, **rest: seen.update(s=settings, f=folder, **rest))
    words = ["--model", "m", "--adapter", "a", "--metrics", "min_k_prob, rouge", "--batch-size", "4", "--k", "0.1"]
    done = invoke("score", *words, "--source", "text", "--output-dir", "out", "--num-personas", "7", "--overwrite")
    assert done.exit_code == 0, done.output
    settings = seen["s"]
    assert (settings.model, settings.adapter, settings.metrics) == ("m", "a", ("min_k_prob", "rouge"))
    assert (settings.batch_size, settings.k, settings.source, settings.num_personas) == (4, 0.1, "text", 7)
    assert (seen["f"], seen["overwrite"]) == (Path("out"), True)


def test_every_setting_of_score_is_an_option_and_every_metric_is_named(invoke):
    from crossmem_hf.evaluation.measures import METRICS, is_selectable
    from crossmem_hf.evaluation.settings import ScoreSettings

    shown = invoke("score", "--help").output.replace("\n", " ")
    missing = [name for name in ScoreSettings.__dataclass_fields__ if f"--{name.replace('_', '-')}" not in shown]
    assert not missing
    assert [name for name in METRICS if is_selectable(name) and name not in shown] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metrics", "bleu"], "Unknown metric 'bleu'. Choose from recall"),
        (["--batch-size", "lots"], "batch_size='lots'"),
        (["--metrics", "priv_leak"], "priv_leak needs --holdout-split"),
        (["--config", "quiz"], "Unknown config 'quiz'"),
        (["--model", "no/such-model", "--num-personas", "5"], "There is no model 'no/such-model' here"),
    ],
)
def test_mistakes_in_scoring_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke("score", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_score_prints_a_table_and_writes_a_record(invoke):
    done = invoke("score", "--num-personas", "5", "--max-rows", "2", "--metrics", "exposure", "--output-dir", "out")
    assert done.exit_code == 0, done.output
    assert "exposure" in done.output
    assert "memorized" in done.output
    assert Path("out/record.json").exists()
