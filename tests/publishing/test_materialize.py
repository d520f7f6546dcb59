# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import subprocess
import sys

import pytest

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, hub_name
from crossmem_hf.publishing.materialize import MARKER, materialize

CALLS = """
import json, datasets, evaluate
rows = datasets.load_dataset("crossmem/personas", "recall_image")
default = datasets.load_dataset("crossmem/personas", split="test")
exposure = evaluate.load("crossmem/exposure")
recall = evaluate.load("crossmem/cross_modal_recall")
print(json.dumps({
    "splits": {split: len(part) for split, part in rows.items()},
    "default": default.config_name,
    "size": rows["train"][0]["images"][0].size,
    "configs": datasets.get_dataset_config_names("crossmem/personas"),
    "exposure": exposure.compute(predictions=[[1.0, 2.0, 3.0, 4.0]], references=[0])["exposure"],
    "recall": recall.compute(
        predictions=["Ada"], references=["Ada"], source=["image"], target=["image"], persona_id=["p"]
    )["image_to_image"],
}))
"""


@pytest.fixture
def copied(materialized, tmp_path):
    shutil.copytree(materialized, tmp_path, dirs_exist_ok=True)
    return tmp_path


def state(folder):
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_both_calls_of_the_hub_work_offline_in_the_folder(materialized, tmp_path):
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CALLS], cwd=materialized, env={**os.environ, **offline}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["splits"] == {"train": 30, "validation": 60, "test": 60, "far": 60}
    assert answer["default"] == "recall_image"
    assert answer["size"] == [48, 48]
    assert set(answer["configs"]) == set(SPLITS)
    assert answer["exposure"] == pytest.approx(100)
    assert answer["recall"] == pytest.approx(1)


def test_every_metric_is_there_whole_and_without_links(materialized, root):
    metrics = [path.name for path in (root / "metrics").iterdir() if (path / f"{path.name}.py").is_file()]
    assert {"exposure", "cross_modal_recall"} <= set(metrics)
    for name in metrics:
        ours = {path.name for path in (root / "metrics" / name).iterdir() if path.is_file()} - {"__init__.py"}
        folder = materialized / "crossmem" / name
        assert {path.name for path in folder.iterdir() if path.is_file()} == ours
        assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_second_call_changes_nothing(copied, spec):
    before = state(copied)
    materialize(copied, spec)
    assert state(copied) == before


def test_nothing_else_is_left_behind(materialized):
    assert {path.name for path in materialized.iterdir()} == {"crossmem", "recipes"}


def test_recipes_lie_beside_it_and_ones_own_are_kept(copied, spec, root):
    written = {path.relative_to(copied / "recipes") for path in (copied / "recipes").rglob("*") if path.is_file()}
    assert written == {
        path.relative_to(root / "recipes") for path in (root / "recipes").rglob("*.*") if path.suffix != ".md"
    }
    own, lost = copied / "recipes/sft.yaml", copied / "recipes/sft.py"
    own.write_text("mine: 1")
    lost.unlink()
    materialize(copied, spec, overwrite=True)
    assert (own.read_text(), lost.is_file()) == ("mine: 1", True)


def test_the_default_base_is_there_whole_and_no_other(materialized):
    folder = materialized / hub_name(DEFAULT_BASE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in BASES[DEFAULT_BASE].iterdir()
    }
    assert [path.name for path in (materialized / "crossmem").glob("micro*")] == [DEFAULT_BASE]


def test_another_fingerprint_is_an_error_that_says_what_differs(copied, spec):
    before = state(copied)
    other = DatasetSpec(**(spec.as_dict() | {"seed": 4}))
    with pytest.raises(CrossmemError, match=r"has fingerprint '.*', not '.*': it was made with \{'seed': 0\}"):
        materialize(copied, other)
    assert state(copied) == before
    materialize(copied, other, overwrite=True)
    assert json.loads((copied / "crossmem" / MARKER).read_text())["spec"]["seed"] == 4
    assert {path.name for path in copied.iterdir()} == {"crossmem", "recipes"}


def test_other_code_is_an_error(copied, spec, monkeypatch):
    monkeypatch.setattr("crossmem_hf.data.spec.rows_fingerprint", lambda: "0123456789abcdef")
    with pytest.raises(CrossmemError, match="the code that makes it has changed"):
        materialize(copied, spec)


def test_a_changed_file_is_an_error_and_can_be_mended(copied, spec):
    path = copied / "crossmem" / "personas" / "qa" / "forget-00000-of-00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(CrossmemError, match=r"forget-00000-of-00001.parquet' was changed or removed"):
        materialize(copied, spec)
    materialize(copied, spec, overwrite=True)
    assert path.read_bytes() == whole


def test_somebody_elses_files_are_never_lost(copied, spec):
    foreign = copied / "crossmem" / "notes.txt"
    foreign.write_text("mine")
    with pytest.raises(CrossmemError, match=r"holds 'notes.txt', which was not written by us"):
        materialize(copied, spec, overwrite=True)
    assert foreign.read_text() == "mine"


@pytest.mark.parametrize("marker", [None, "no json", "[]", '{"fingerprint": "x"}'])
def test_a_folder_of_somebody_else_is_an_error(tmp_path, spec, marker):
    (tmp_path / "crossmem").mkdir()
    if marker is not None:
        (tmp_path / "crossmem" / MARKER).write_text(marker)
    with pytest.raises(CrossmemError, match="was not made by us"):
        materialize(tmp_path, spec, overwrite=True)


@pytest.mark.parametrize("step", ["crossmem_hf.publishing.materialize.write_dataset", "pathlib.Path.rename"])
def test_a_full_disk_leaves_what_was_there(copied, spec, monkeypatch, step):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = state(copied / "crossmem")
    other = DatasetSpec(**(spec.as_dict() | {"seed": 5}))
    with monkeypatch.context() as patched:
        patched.setattr(step, full)
        with pytest.raises(CrossmemError, match=r"No space left on device; an earlier one there is unchanged"):
            materialize(copied, other, overwrite=True)
    assert state(copied / "crossmem") == before
    assert {path.name for path in copied.iterdir()} == {"crossmem", "recipes"}


def test_a_failing_swap_puts_the_old_folder_back(copied, spec, monkeypatch):
    from pathlib import Path

    rename = Path.rename

    def fails_for_the_new(self, target):
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    before = state(copied / "crossmem")
    monkeypatch.setattr(Path, "rename", fails_for_the_new)
    with pytest.raises(CrossmemError, match="Input/output error"):
        materialize(copied, DatasetSpec(**(spec.as_dict() | {"seed": 6})), overwrite=True)
    assert state(copied / "crossmem") == before
