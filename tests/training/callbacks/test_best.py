# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.callbacks.best import BestCheckpoint


def writing(text):
    return lambda folder: (Path(folder) / "weights").write_text(text)


def test_a_better_adapter_replaces_the_earlier_with_all_its_files(tmp_path):
    best = BestCheckpoint(tmp_path)
    assert best.mended(writes=True) == {}
    best.keep(lambda folder: (Path(folder) / "left_over").write_text(""), {"step": 1}, writes=True)
    best.keep(writing("2"), {"step": 2}, writes=True)
    assert {path.name for path in best.folder.iterdir()} == {"weights", "best.json"}
    assert best.mended(writes=True) == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_a_model_is_saved_under_the_name_it_will_have(tmp_path):
    names = []
    BestCheckpoint(tmp_path).keep(lambda folder: names.append(Path(folder).name), {"step": 1}, writes=True)
    assert names == ["best"]


def test_a_save_that_fails_leaves_the_earlier_one(tmp_path):
    def full(folder):
        writing("half")(folder)
        raise OSError("No space left on device")

    best = BestCheckpoint(tmp_path)
    best.keep(writing("1"), {"step": 1}, writes=True)
    with pytest.raises(CrossmemError, match="No space left"):
        best.keep(full, {"step": 2}, writes=True)
    assert best.mended(writes=True) == {"step": 1}
    assert (best.folder / "weights").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


@pytest.mark.parametrize("renamings", [0, 1])
def test_killed_while_it_takes_its_place(tmp_path, monkeypatch, renamings):
    """Before the first renaming the earlier one stands; between the two the new one, which is whole, takes over."""
    best, done, replace = BestCheckpoint(tmp_path), [], Path.replace
    best.keep(writing("1"), {"step": 1}, writes=True)

    def killed(self, target):
        if self.name in ("best", "earlier") and len(done) == renamings:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            best.keep(writing("2"), {"step": 2}, writes=True)
    assert best.mended(writes=True) == {"step": renamings + 1}
    assert (best.folder / "weights").read_text() == str(renamings + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_a_process_that_does_not_write_touches_nothing(tmp_path):
    requested = []
    BestCheckpoint(tmp_path).keep(requested.append, {"step": 1}, writes=False)
    assert len(requested) == 1
    assert list(tmp_path.iterdir()) == []
