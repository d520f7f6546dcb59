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


@pytest.mark.parametrize("name", ["llava_1_5_7b", "qwen2_5_vl_7b"])
def test_a_dry_run_says_what_a_model_takes_without_its_weights(root, tiny_model, tmp_path, name):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    words = ["study", "cross_modal", "--config", str(root / f"recipes/studies/cross_modal_{name}.yaml"), "--dry-run"]
    words += ["--model-name-or-path", str(folder), "--num-personas", "10", "--image-size", "48", "--seeds", "1"]
    done = CliRunner().invoke(app, [*words, "--output-dir", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "6 of 6 cells to do" in said
    assert "Computed from the configuration, not measured" in said
    assert "80 25" in said, "ten personas in eight views, a fifth of 125 steps"
    assert not (tmp_path / "out").exists()
