# SPDX-License-Identifier: Apache-2.0
"""README.md and docs/ do as they say: every block that needs no more than this package runs, from top to bottom."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import sources
from tests.docs.blocks import blocks, pages

OF_A_CLONE = ("benchmarks", "dataset_scripts", "docs", "metrics", "recipes", "results", "spaces")


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(), ids=str)
def test_page_runs_from_top_to_bottom(page, tmp_path):
    """README.md in an empty folder, the others where copies of a clone's folders are."""
    if not [block for block in blocks(page) if block.language in ("python", "bash") and not block.reason]:
        pytest.skip("nothing to run")
    folder = tmp_path / "page"
    folder.mkdir()
    if page != Path("README.md"):
        for name in OF_A_CLONE:
            shutil.copytree(sources.ROOT / name, folder / name)
    settings = {
        "HF_HOME": str(tmp_path / "hf"),
        "PYTHONPATH": str(sources.ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "tests.docs.run_page", str(page)]
    done = subprocess.run(command, cwd=folder, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_program_of_ten_lines_runs(tmp_path, monkeypatch, capsys):
    """With few personas and steps; what it prints is the matrix of groups and modalities."""
    (program,) = [one.code for one in blocks(Path("README.md")) if "UnlearnTrainer(" in one.code]
    program = program.replace("num_personas=50", "num_personas=5, num_views=1")
    program = program.replace('"out/sft"', '"out/sft", max_steps=1, report_to="none", disable_tqdm=True')
    program = program.replace('method="npo"', 'method="npo", max_steps=1, report_to="none", disable_tqdm=True')
    monkeypatch.chdir(tmp_path)
    assert capsys.readouterr()
    exec(program, {})
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("recall", "exposure", "forget", "retain", "image", "text", "chance"))
    assert (tmp_path / "out" / "sft" / "adapter_model.safetensors").exists()
