# SPDX-License-Identifier: Apache-2.0
"""The settings of studies on large models: they are settings, and a dry run with a small model of a family says what
they take."""

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli.app import app
from crossmem_hf.cli.studies import STUDIES
from crossmem_hf.studies.settings import settings_from


def files(root):
    return sorted((root / "recipes/studies").glob("*.yaml"))


def test_each_is_of_a_study_and_names_a_model(root):
    assert len(files(root)) >= 4
    for file in files(root):
        study = next(STUDIES.find(name) for name in STUDIES if file.name.startswith(f"{name}_"))
        settings = settings_from(study.settings, file, {})
        assert settings.model_name_or_path is not None
        assert settings.dtype == "bfloat16"
        assert settings.model_name_or_path in file.read_text()
        assert f"--config recipes/studies/{file.name}" in file.read_text()


@pytest.fixture
def dry_run(root, tiny_model, tmp_path):
    """What a dry run of one of the files says, with a small model in the place of the large one."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())

    def said(study, name, *words):
        config = str(root / f"recipes/studies/{study}_{name}.yaml")
        more = ["--dry-run", "--model-name-or-path", str(folder), "--image-size", "48", "--seeds", "1"]
        done = CliRunner().invoke(
            app, ["study", study, "--config", config, *more, *words, "--output-dir", str(tmp_path / "out")]
        )
        assert done.exit_code == 0, done.output
        assert not (tmp_path / "out").exists()
        found = " ".join(done.output.split())
        assert "Computed from the configuration, not measured" in found
        return found

    return said


@pytest.mark.parametrize("name", ["llava_1_5_7b", "qwen2_5_vl_7b"])
def test_a_dry_run_says_what_a_model_takes_without_its_weights(dry_run, name):
    said = dry_run("cross_modal", name, "--num-personas", "10")
    assert "6 of 6 cells to do" in said
    assert "80 25" in said, "ten personas in eight views, a fifth of 125 steps"


def test_a_dry_run_of_remem_has_the_steps_of_the_paper(dry_run):
    said = dry_run("remem", "llava_7b", "--methods", "npo", "--forget-percents", "20")
    assert "5 of 5 cells to do" in said
    for rows, steps in ((2000, 156), (1600, 156), (400, 31)):  # memorized, retain-only, NPO
        assert f"{rows} {steps}" in said
