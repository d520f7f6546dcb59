# SPDX-License-Identifier: Apache-2.0
"""Stages are done once, appear whole or not at all, and never serve another run."""

import json
import threading
import time

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs import stages
from crossmem_hf.runs.stages import locked, own_folder, run_stage


class Work:
    """Counts how often it is asked to work."""

    def __init__(self, result=("x",)):
        self.result, self.times = list(result), 0

    def __call__(self, folder):
        self.times += 1
        (folder / "file.txt").write_text(str(self.times))
        return self.result


def test_a_stage_runs_once_for_the_same_inputs(tmp_path):
    work = Work()
    first = run_stage(tmp_path / "s", {"a": 1}, work)
    second = run_stage(tmp_path / "s", {"a": 1}, work)
    assert work.times == 1
    assert first == second
    assert second.result == ["x"]


def test_other_inputs_replace_the_stage(tmp_path):
    work = Work()
    first = run_stage(tmp_path / "s", {"a": 1}, work)
    second = run_stage(tmp_path / "s", {"a": 2}, work)
    assert work.times == 2
    assert first.fingerprint != second.fingerprint
    assert (tmp_path / "s" / "file.txt").read_text() == "2"


def test_a_stage_that_died_halfway_is_run_again(tmp_path):
    def dies(folder):
        (folder / "half.txt").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        run_stage(tmp_path / "s", {}, dies)
    assert not (tmp_path / "s").exists()
    run_stage(tmp_path / "s", {}, Work())
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["done.json", "file.txt"]
    assert not (tmp_path / "s.part").exists()


def test_a_failure_keeps_the_earlier_stage(tmp_path):
    run_stage(tmp_path / "s", {"a": 1}, Work())

    def dies(folder):
        raise CrossmemError("No.", "Stop.")

    with pytest.raises(CrossmemError):
        run_stage(tmp_path / "s", {"a": 2}, dies)
    assert json.loads((tmp_path / "s" / "done.json").read_text())["inputs"] == {"a": 1}


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"fingerprint": 1}'])
def test_a_broken_marker_is_run_again(tmp_path, broken):
    work = Work()
    run_stage(tmp_path / "s", {}, work)
    (tmp_path / "s" / "done.json").write_text(broken)
    run_stage(tmp_path / "s", {}, work)
    assert work.times == 2


def test_disk_full_keeps_the_earlier_stage(tmp_path, monkeypatch):
    run_stage(tmp_path / "s", {"a": 1}, Work())

    def full(path, data):
        raise CrossmemError("Could not write: No space left on device.", "Free some space.")

    monkeypatch.setattr(stages, "write_atomic", full)
    with pytest.raises(CrossmemError, match="No space left"):
        run_stage(tmp_path / "s", {"a": 2}, Work())
    assert json.loads((tmp_path / "s" / "done.json").read_text())["inputs"] == {"a": 1}


def test_a_folder_is_claimed_once(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    own_folder(folder, "aaaa", overwrite=False)
    own_folder(folder, "aaaa", overwrite=False)
    (folder / "jobs").mkdir()
    with pytest.raises(CrossmemError, match="holds another run"):
        own_folder(folder, "bbbb", overwrite=False)
    assert (folder / "jobs").exists()
    own_folder(folder, "bbbb", overwrite=True)
    assert not (folder / "jobs").exists()
    assert json.loads((folder / "run.json").read_text()) == {"fingerprint": "bbbb"}


def test_a_folder_with_other_files_is_not_taken(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CrossmemError, match="files that are not a run's"):
        own_folder(tmp_path, "aaaa", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_unreadable_owner_is_another_run(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CrossmemError, match="another run"):
        own_folder(tmp_path, "aaaa", overwrite=False)


def test_a_kill_while_claiming_leaves_nothing_in_the_way(tmp_path):
    (tmp_path / ".run.json.k3j2").write_text("half")
    own_folder(tmp_path, "aaaa", overwrite=False)
    assert (tmp_path / "run.json").exists()


def test_a_stage_whose_files_were_damaged_is_run_again(tmp_path):
    work = Work()
    run_stage(tmp_path / "s", {}, work)
    (tmp_path / "s" / "file.txt").write_text("cut short")
    run_stage(tmp_path / "s", {}, work)
    (tmp_path / "s" / "file.txt").unlink()
    run_stage(tmp_path / "s", {}, work)
    assert work.times == 3
    assert {path.name for path in tmp_path.iterdir()} == {"s", ".s.lock"}


def test_a_full_disk_inside_a_stage_is_explained(tmp_path):
    run_stage(tmp_path / "s", {"a": 1}, Work())

    def full(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(CrossmemError, match="No space left on device"):
        run_stage(tmp_path / "s", {"a": 2}, full)
    assert run_stage(tmp_path / "s", {"a": 1}, full).result == ["x"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    with (
        locked(tmp_path / "run"),
        pytest.raises(CrossmemError, match="Another run is at work"),
        locked(tmp_path / "run"),
    ):
        pass
    with locked(tmp_path / "run"):
        pass


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(CrossmemError, match="cannot be a run's folder"), locked(tmp_path / "run"):
        pass


def test_errors_inside_a_locked_folder_are_left_alone(tmp_path):
    with pytest.raises(PermissionError, match="mine"), locked(tmp_path / "run"):
        raise PermissionError("mine")


def test_an_error_says_which_settings_are_others(tmp_path):
    own_folder(tmp_path, "aaaa", overwrite=False, settings={"seeds": [0], "size": 64, "old": 1})
    with pytest.raises(CrossmemError, match=r"aaaa: size=64 there, 96 here; old=1 there, None here\).*Go away\."):
        own_folder(tmp_path, "bbbb", overwrite=False, settings={"seeds": (0,), "size": 96}, remedy="Go away.")
    with pytest.raises(CrossmemError, match="aaaa, made by other code or versions"):
        own_folder(tmp_path, "bbbb", overwrite=False, settings={"seeds": [0], "size": 64, "old": 1})


def test_of_two_that_want_a_stage_one_computes_it(tmp_path):
    work, begun, found = Work(), threading.Event(), []

    def slowly(folder):
        begun.set()
        time.sleep(0.2)  # however long it is, the other waits
        return work(folder)

    first = threading.Thread(target=lambda: found.append(run_stage(tmp_path / "s", {}, slowly)))
    first.start()
    begun.wait()
    found.append(run_stage(tmp_path / "s", {}, work))
    first.join()
    assert work.times == 1
    assert found[0] == found[1]


def test_the_folder_to_fill_has_the_stages_name(tmp_path):
    """Cards name the folder that they are written into."""
    run_stage(tmp_path / "adapter", {}, lambda folder: folder.name)
    assert json.loads((tmp_path / "adapter" / "done.json").read_text())["result"] == "adapter"
