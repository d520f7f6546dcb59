# SPDX-License-Identifier: Apache-2.0
"""`crossmem trace`, from its options to its files and its exit code."""

import json

import pytest
from typer.testing import CliRunner

from crossmem_hf.analysis import tracing_run
from crossmem_hf.cli.app import app


def test_options_become_settings(monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(tracing_run, "run_trace", lambda settings, folder, **rest: seen.update(s=settings, f=folder))
    monkeypatch.setattr("crossmem_hf.runs.distributed.leave", lambda: None)
    words = ["trace", "--model", "a/b", "--adapter", "c/d", "--corruption", "subject", "--subject", "this person"]
    words += ["--replacement", "a chair", "--replacement", "Paris", "--site", "mlp,hidden", "--tokens", "last, all"]
    words += ["--window", "5", "--batch-size", "8", "--persona-seed", "3", "--output-dir", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    settings = seen["s"]
    assert (settings.model, settings.adapter, settings.subject) == ("a/b", "c/d", "this person")
    assert (settings.sites, settings.tokens, settings.window) == (("mlp", "hidden"), ("last", "all"), 5)
    assert settings.replacements == ("a chair", "Paris")
    assert (settings.batch_size, settings.persona_seed, seen["f"]) == (8, 3, tmp_path)
    assert CliRunner().invoke(app, ["trace"]).exit_code == 0
    assert seen["s"] == tracing_run.TraceSettings()


def test_the_command_draws_a_model_and_says_where(tiny_model, tmp_path):
    words = ["trace", "--model", str(tiny_model), "--num-personas", "5", "--max-rows", "2", "--site", "hidden"]
    done = CliRunner().invoke(app, [*words, "--corruption", "picture", "--output-dir", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "total_effect" in done.output
    assert "record.json" in done.output
    assert json.loads((tmp_path / "out" / "heat_maps.json").read_text())[0]["where"]["corruption"] == "picture"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--corruption", "letters"], "Unknown corruption 'letters'"),
        (["--site", "neuron"], "Unknown site 'neuron'"),
        (["--tokens", ""], "expected at least one"),
        (["--noise", "-1"], "noise=-1.0"),
        (["--window", "0"], "window=0"),
    ],
)
def test_mistakes_are_one_line_before_any_work(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["trace", *words])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
