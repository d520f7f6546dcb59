# SPDX-License-Identifier: Apache-2.0
"""The written folder: the same bytes however they came about, and nothing half done that looks whole."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from datasets import load_dataset
from huggingface_hub import HfApi
from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath
from pyarrow import parquet

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.release import blocks, writing
from crossmem_hf.data.release.quality import check_written
from crossmem_hf.data.release.writing import write_dataset
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError

WHOLE = {"README.md", "eval.yaml", "quality.json", "samples.png"}
TINY = DatasetSpec(num_personas=6, num_views=1, image_size=48, qa_per_persona=2)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def records(folder):
    return sorted((folder / blocks.BUILD).glob("*.jsonl"))


def finished_a_block(folder):
    """A file is there before its first line is."""
    return any(path.read_bytes().endswith(b"\n") for path in records(folder))


def rows_in(shards):
    return [row for shard in shards for row in parquet.read_table(shard).to_pylist()]


def shards_of(folder):
    return sorted((folder / "recall_image").glob("test-*"))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """The tiny dataset, two people a shard, written in one go by one process."""
    folder = tmp_path_factory.mktemp("sharded")
    write_dataset(folder, TINY, personas_per_shard=2)
    return folder


def test_two_writings_are_byte_identical(materialized, spec, tmp_path):
    write_dataset(tmp_path / "again", spec)
    first, second = contents(materialized / "crossmem" / "personas"), contents(tmp_path / "again")
    assert len(first) == len(WHOLE) + sum(map(len, SPLITS.values()))
    assert first == second


def test_another_seed_gives_other_bytes(sharded, tmp_path):
    write_dataset(tmp_path, DatasetSpec(**(TINY.as_dict() | {"seed": 1})), personas_per_shard=2)
    first, second = contents(sharded), contents(tmp_path)
    same = {name for name in first if name.endswith(".parquet")} & second.keys()
    assert len(same) > 20
    assert [name for name in same if first[name] == second[name]] == []


def test_the_files_are_those_that_push_to_hub_uploads(materialized, spec, monkeypatch):
    uploaded = {}

    def upload(self, repo_id, additions, **_):
        uploaded.update({each.path_in_repo: Path(each.path_or_fileobj).read_bytes() for each in additions})

    monkeypatch.setattr(HfApi, "preupload_lfs_files", upload)
    where = HfFileSystemResolvedRepositoryPath("dataset", "crossmem/personas", "main", "")
    for config in ("recall_image", "qa", "candidates"):
        for split in SPLITS[config]:
            # The step of Dataset.push_to_hub that writes and uploads shards; the others only talk to the Hub.
            built_rows(config, split, spec)._push_parquet_shards_to_hub(
                where, config, split, None, False, None, None, True, None
            )
    written = contents(materialized / "crossmem" / "personas")
    assert len(uploaded) == 9
    assert {name: written[name] for name in uploaded} == uploaded


def test_shards_hold_the_rows_that_one_file_holds(sharded, tmp_path):
    write_dataset(tmp_path / "whole", TINY)
    assert [path.name for path in shards_of(sharded)] == [f"test-{number:05d}-of-00003.parquet" for number in range(3)]
    for config, splits in SPLITS.items():
        for split in splits:
            parts, whole = (sorted(folder.glob(f"{config}/{split}-*")) for folder in (sharded, tmp_path / "whole"))
            assert len(whole) == 1
            assert rows_in(parts) == rows_in(whole)
    loaded = load_dataset(str(sharded), "recall_image", split="test")
    assert [row["answer"] for row in loaded] == [row["answer"] for row in rows_in(shards_of(sharded))]
    assert check_written(sharded) != check_written(tmp_path / "whole")


def test_two_processes_write_what_one_writes(sharded, tmp_path, capfd):
    write_dataset(tmp_path, TINY, personas_per_shard=2, num_proc=2, progress=True)
    assert contents(tmp_path) == contents(sharded)
    assert "6/6 people" in capfd.readouterr().err


SCRIPT = """
import sys, time
from pathlib import Path
from crossmem_hf.data.release import blocks
from crossmem_hf.data.release import writing
from crossmem_hf.data.spec import DatasetSpec

fill = blocks._fill


def filled_and_waiting(writers, build, number, written):
    audit = fill(writers, build, number, written)
    if number:
        time.sleep(600)  # until the kill, with the files of the second block unfinished
    return audit


blocks._fill = filled_and_waiting  # in workers too: they import this script

if __name__ == "__main__":
    writing.write_dataset(Path(sys.argv[1]), DatasetSpec(**{spec}), personas_per_shard=2, num_proc=int(sys.argv[2]))
"""


def killed(script, folder, num_proc, root):
    """Start writing in a process of its own, and kill it as soon as a block is finished; the ids of its workers."""
    script.write_text(SCRIPT.replace("{spec}", repr(TINY.as_dict())))
    command = [sys.executable, str(script), str(folder), str(num_proc)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        while not finished_a_block(folder):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_killed_writing_goes_on_where_it_was(sharded, tmp_path, root):
    folder = tmp_path / "dataset"
    killed(tmp_path / "script.py", folder, 1, root)
    assert not (folder / "README.md").exists()
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*/*-00000-of-*.parquet")}
    assert len(kept) > 20
    write_dataset(folder, TINY, personas_per_shard=2)
    assert contents(folder) == contents(sharded)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the process table of Linux")
def test_workers_do_not_outlive_a_killed_writing(tmp_path, root):
    workers = killed(tmp_path / "script.py", tmp_path / "dataset", 2, root)
    assert len(workers) >= 2
    deadline = time.monotonic() + 600
    while [worker for worker in workers if is_running(worker)]:
        assert time.monotonic() < deadline, "a worker is still there"
        time.sleep(0.05)


def is_running(process_id):
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_a_damaged_shard_is_written_anew(sharded, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_finish", stop)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, TINY, personas_per_shard=2)
    monkeypatch.undo()
    damaged = tmp_path / "qa" / "retain-00001-of-00003.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"x" * 9)
    records(tmp_path)[2].write_text("{")
    (tmp_path / ".README.md.half").write_text("#")
    write_dataset(tmp_path, TINY, personas_per_shard=2)
    assert contents(tmp_path) == contents(sharded)


def test_a_begun_folder_of_another_spec_is_refused(tmp_path):
    (tmp_path / blocks.BUILD).mkdir()
    held = {"fingerprint": "0123456789abcdef", "settings": TINY.as_dict() | {"seed": 3}}
    (tmp_path / blocks.BUILD / "run.json").write_text(json.dumps(held))
    with pytest.raises(CrossmemError, match=r"seed=3 there, 0 here.*a dataset that was not finished"):
        write_dataset(tmp_path, TINY)


def test_a_writing_killed_before_it_made_its_mark_can_go_on(tmp_path):
    (tmp_path / blocks.BUILD).mkdir()
    (tmp_path / blocks.BUILD / ".run.json.half").write_text("0")
    write_dataset(tmp_path, TINY, personas_per_shard=6)
    assert (tmp_path / "README.md").is_file()
    assert not (tmp_path / blocks.BUILD).exists()


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CrossmemError, match="is not empty"):
        write_dataset(tmp_path, TINY)
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize("knob", ["num_proc", "personas_per_shard"])
def test_numbers_below_one_are_refused(tmp_path, knob):
    with pytest.raises(CrossmemError, match=f"{knob}=0; expected at least 1"):
        write_dataset(tmp_path / "new", TINY, **{knob: 0})
    assert not (tmp_path / "new").exists()


def test_a_full_disk_keeps_what_is_finished(sharded, tmp_path, monkeypatch):
    replace = os.replace

    def full(source, target):
        if Path(target).name == "retain-00001-of-00003.parquet":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr("crossmem_hf.data.release.blocks.os.replace", full)
    with pytest.raises(CrossmemError, match="No space left on device; the shards that are finished are kept"):
        write_dataset(tmp_path, TINY, personas_per_shard=2)
    assert len(records(tmp_path)) == 1
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.undo()
    write_dataset(tmp_path, TINY, personas_per_shard=2)
    assert contents(tmp_path) == contents(sharded)


def test_a_failed_check_leaves_no_card(tmp_path, monkeypatch):
    monkeypatch.setattr("crossmem_hf.data.release.quality.NEAR_DUPLICATE_BITS", 192)
    with pytest.raises(CrossmemError, match="Quality check 'duplicates' failed: 6 people look like another"):
        write_dataset(tmp_path, TINY, personas_per_shard=2)
    assert not (tmp_path / "README.md").exists()


@pytest.mark.slow
def test_two_thousand_people_survive_a_kill(tmp_path, root):
    spec = DatasetSpec(num_personas=2_000, num_views=1, image_size=48, qa_per_persona=2)
    script, folder = tmp_path / "script.py", tmp_path / "dataset"
    script.write_text(SCRIPT.replace("{spec}", repr(spec.as_dict())).replace("personas_per_shard=2, ", ""))
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), "2"], env={**os.environ, "PYTHONPATH": str(root)}
    )
    while not finished_a_block(folder):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    report = write_dataset(folder, spec, num_proc=2)
    assert report.personas == {"forgotten": 400, "retained": 1_600, "background": 2_000}
    assert check_written(folder) == report.content
    assert len(load_dataset(str(folder), "recall_image", split="train")) == 2_000
