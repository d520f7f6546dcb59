# SPDX-License-Identifier: Apache-2.0
"""`crossmem attack`, from its options to its files and its exit code."""

import json

import pytest
from typer.testing import CliRunner

from crossmem_hf.analysis import attack_run
from crossmem_hf.cli.app import app


def test_options_become_settings(monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(attack_run, "run_attack", lambda settings, folder, **rest: seen.update(s=settings, f=folder))
    monkeypatch.setattr("crossmem_hf.runs.distributed.leave", lambda: None)
    (tmp_path / "predictions.jsonl").touch()
    words = ["attack", "--model", "a/b", "--adapter", "c/d", "--attacks", "hinted, pictures", "--seed", "4"]
    words += [
        "--retain-only",
        str(tmp_path),
        "--batch-size",
        "8",
        "--persona-seed",
        "3",
        "--output-dir",
        str(tmp_path),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    settings = seen["s"]
    assert (settings.model, settings.adapter, settings.attacks) == ("a/b", "c/d", ("hinted", "pictures"))
    assert (settings.retain_only, settings.seed, settings.batch_size, settings.persona_seed) == (tmp_path, 4, 8, 3)
    assert seen["f"] == tmp_path
    assert CliRunner().invoke(app, ["attack"]).exit_code == 0
    assert seen["s"] == attack_run.AttackSettings()


def test_the_command_attacks_a_model_and_says_where(tiny_model, tmp_path):
    words = ["attack", "--model", str(tiny_model), "--num-personas", "5", "--max-rows", "2", "--attacks", "confirmed"]
    done = CliRunner().invoke(app, [*words, "--output-dir", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "record.json" in done.output
    found = json.loads((tmp_path / "out" / "record.json").read_text())["measurements"]
    assert {one["where"]["attack"] for one in found} == {"none", "confirmed"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--attacks", "hint"], "Unknown attack 'hint'"),
        (["--retain-only", "nowhere"], "retain_only='nowhere' holds no predictions.jsonl"),
        (["--max-rows", "0"], "max_rows=0"),
    ],
)
def test_mistakes_are_one_line_before_any_work(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["attack", *words])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
