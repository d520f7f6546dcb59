# SPDX-License-Identifier: Apache-2.0
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import fingerprint, write_atomic

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
GOLDEN = "867380fd243e6c61"


@pytest.mark.parametrize(
    ("data", "expected"),
    [("héllo\n", "héllo\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b""), ("a\r\nb", b"a\r\nb")],
)
def test_writes_exactly_the_data(tmp_path, data, expected):
    path = tmp_path / "file"
    assert write_atomic(path, data) == path
    assert path.read_bytes() == expected
    assert os.listdir(tmp_path) == ["file"]


def test_makes_folders_and_takes_text_paths(tmp_path):
    written = write_atomic(str(tmp_path / "a" / "b" / "file"), "x")
    assert written == tmp_path / "a" / "b" / "file"
    assert written.read_text() == "x"


def test_replaces_an_older_longer_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "a long old text")
    write_atomic(path, "new")
    assert path.read_text() == "new"


def test_others_may_read_the_file(tmp_path):
    """Temporary files are private to their owner; results are not."""
    assert stat.S_IMODE(write_atomic(tmp_path / "file", "x").stat().st_mode) == 0o644


class FullDisk:
    """A stream that takes part of the data and then finds no space."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.stream.close()

    def write(self, data):
        self.stream.write(data[: len(data) // 2])
        raise FULL


def failing(*arguments, **options):
    raise FULL


@pytest.fixture(params=["create", "write", "sync", "rename"])
def full_disk(request, monkeypatch):
    """Space runs out at one of the four steps of a write."""
    real_open = os.fdopen
    {
        "create": lambda: monkeypatch.setattr("tempfile.mkstemp", failing),
        "write": lambda: monkeypatch.setattr(os, "fdopen", lambda *a, **k: FullDisk(real_open(*a, **k))),
        "sync": lambda: monkeypatch.setattr(os, "fsync", failing),
        "rename": lambda: monkeypatch.setattr(os, "replace", failing),
    }[request.param]()


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, full_disk):
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(
        CrossmemError, match=r"record\.json.*No space left on device.*unchanged.*Free some space"
    ) as caught:
        write_atomic(path, "new" * 1000)
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["record.json"]


def test_a_full_disk_leaves_no_new_file(tmp_path, full_disk):
    with pytest.raises(CrossmemError, match="No space left"):
        write_atomic(tmp_path / "record.json", "new")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_the_simulated_failure_is_the_real_one():
    """A write to a device that is always full raises what the tests above simulate."""
    with pytest.raises(OSError, match="No space left") as caught, open("/dev/full", "wb", buffering=0) as stream:
        stream.write(b"x")
    assert caught.value.errno == FULL.errno


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(CrossmemError, match="Could not write"):
        write_atomic(tmp_path / "taken" / "file", "x")
    assert (tmp_path / "taken").read_text() == "x"


def test_a_reader_never_sees_half_a_file(tmp_path):
    """Another process rewrites the file all the while; every read is one whole version."""
    path = tmp_path / "file"
    code = (
        "import sys; from crossmem_hf.storage import write_atomic\n"
        "for i in range(150): write_atomic(sys.argv[1], str(i % 10) * 200_000)"
    )
    write_atomic(path, "0" * 200_000)
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
    reads = 0
    while writer.poll() is None:
        text = path.read_text()
        assert len(text) == 200_000
        assert len(set(text)) == 1
        reads += 1
    assert writer.returncode == 0
    assert reads > 5


@pytest.mark.invariant
def test_fingerprint_is_the_same_everywhere():
    """Caches on disk are found by it."""
    assert fingerprint({"seed": 0, "names": ["a", "b"]}) == GOLDEN


def test_fingerprint_follows_the_content():
    assert fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": [2, 3], "a": 1})
    values = [{}, [], "", None, 0, 0.5, "0", {"a": 1}, {"a": 1.5}, {"a": None}, [1, 2], [2, 1], {"a": {"b": 1}}]
    assert len({fingerprint(value) for value in values}) == len(values)


def test_fingerprint_takes_paths():
    assert fingerprint({"path": Path("a/b")}) == fingerprint({"path": "a/b"})
