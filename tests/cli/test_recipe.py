# SPDX-License-Identifier: Apache-2.0
"""`crossmem recipe` finds what ships, prints the launcher's line, and gives its place to the launcher."""

import os
import shlex
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli.app import app
from crossmem_hf.cli.recipe import launch_words, shipped
from crossmem_hf.errors import CrossmemError


@pytest.fixture
def executed(monkeypatch):
    """What the process would have become."""
    seen = []
    monkeypatch.setattr(os, "execv", lambda program, words: seen.append((program, words)))
    return seen


def invoke(*words):
    return CliRunner().invoke(app, ["recipe", *words])


def test_recipe_prints_and_runs_the_same_line(root, executed):
    done = invoke("unlearn_npo", "--accelerate", "cpu", "--", "--max_steps", "2", "--output_dir", "a folder")
    assert done.exit_code == 0
    words = shlex.split(done.stdout)
    launcher, script = root / "recipes/accelerate/cpu.yaml", root / "recipes/unlearn_npo.py"
    options = ["--max_steps", "2", "--output_dir", "a folder"]
    assert words == ["accelerate", "launch", "--quiet", "--config_file", str(launcher), str(script), *options]
    assert executed == [(sys.executable, [sys.executable, "-m", "accelerate.commands.launch", *words[2:]])]


def test_dry_run_starts_nothing(root, executed):
    done = invoke("sft", "--dry-run", "--settings", "sft_llava_7b")
    assert done.stdout.split()[3:] == [
        str(root / "recipes/sft.py"),
        "--config",
        str(root / "recipes/sft_llava_7b.yaml"),
    ]
    assert executed == []


def test_list_names_everything_that_ships(root, executed):
    said = invoke("--list").stdout
    assert {path.stem for path in (root / "recipes").glob("*.py")} == shipped("*.py").keys()
    for pattern in ("*.py", "*.yaml", "accelerate/*.yaml"):
        assert all(name in said for name in shipped(pattern))
    assert "\nsft             Teach people to a model" in said
    assert executed == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["nope"], "Unknown recipe 'nope'"),
        ([], "No recipe was named"),
        (["sft", "--settings", "nope"], "Unknown settings file 'nope'"),
        (["sft", "--accelerate", "nope"], "Unknown accelerate config 'nope'"),
    ],
)
def test_unknown_name_lists_the_known_ones(words, fault, executed):
    done = invoke(*words)
    assert done.exit_code == 2
    assert fault in done.output
    assert ("single_gpu" if "--accelerate" in words else "unlearn_npo") in done.output
    assert executed == []


def test_launcher_may_be_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("num_processes: 1\n")
    assert launch_words("sft", [], launcher=str(path))[1:3] == ["--config_file", str(path)]
    with pytest.raises(CrossmemError):
        launch_words("sft", [], launcher=str(tmp_path / "other.yaml"))


@pytest.mark.slow
def test_exit_status_is_the_recipes(root, tmp_path):
    command = [sys.executable, "-m", "crossmem_hf", "recipe", "sft", "--accelerate", "cpu", "--", "--packing", "true"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "packing=True would have no effect" in done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("crossmem ", {"run", "score", "compare", "materialize", "publish", "recipe"}),
        ("crossmem recipe unlearn_", {"unlearn_npo", "unlearn_dpo"}),
        ("crossmem recipe sft --accelerate f", {"fsdp2"}),
    ],
)
def test_bash_completes(typed, offered):
    place = str(len(typed.split(" ")) - 1)
    queried = {"_CROSSMEM_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": place}
    assert offered <= set(CliRunner().invoke(app, env=queried, prog_name="crossmem").stdout.split())


def test_completion_script_is_shown(monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    shown = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="crossmem")
    assert "_CROSSMEM_COMPLETE=complete_bash" in shown.stdout
