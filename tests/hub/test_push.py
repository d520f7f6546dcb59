# SPDX-License-Identifier: Apache-2.0
"""Which files of a folder go along and when two are the same; how they travel is in tests/hub/test_pushing.py."""

import hashlib
import subprocess

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub import push as folders
from crossmem_hf.hub.push import check_tag_name, push_folder


@pytest.fixture
def push(tmp_path):
    """One that has not talked to anybody."""
    (tmp_path / "qa").mkdir()
    (tmp_path / "qa" / "a.parquet").write_bytes(b"PAR1" * 10)
    (tmp_path / "README.md").write_bytes(b"# People")
    return folders._Push(
        "crossmem/personas",
        "dataset",
        {"README.md": tmp_path / "README.md", "qa/a.parquet": tmp_path / "qa" / "a.parquet"},
        ("*.parquet",),
        "Push",
    )


def test_files_are_compared_by_size_and_by_either_of_the_hubs_names(push, tmp_path):
    named = subprocess.run(["git", "hash-object", tmp_path / "README.md"], capture_output=True, text=True, check=True)
    card = (8, named.stdout.strip())
    data = (40, hashlib.sha256(b"PAR1" * 10).hexdigest())
    both = folders._Held("sha", {"README.md": card, "qa/a.parquet": data})
    assert push.changes(both) == ([], [])
    assert push.changes(folders._Held("sha", {"README.md": card})) == (["qa/a.parquet"], [])
    assert push.changes(folders._Held("sha", {"README.md": (9, card[1]), "qa/a.parquet": data})) == (["README.md"], [])


def test_only_what_is_replaced_is_removed(push):
    theirs = {"old/b.parquet": (1, "x"), "notes.txt": (1, "y"), ".gitattributes": (1, "z")}
    assert push.changes(folders._Held("sha", theirs)) == (["README.md", "qa/a.parquet"], ["old/b.parquet"])


def test_hidden_files_and_folders_stay_at_home(tmp_path):
    for name in ("a.txt", ".hidden", ".build/log", "deep/.cache/x", "deep/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    found = folders._local_files(tmp_path, hidden=False)
    assert list(found) == ["a.txt", "deep/b.txt"]
    assert len(folders._local_files(tmp_path, hidden=True)) == 5


@pytest.mark.parametrize("how", [{"tag": "v1"}, {"revision": "dev"}])
def test_a_pull_request_has_no_tag_and_no_branch(tmp_path, how):
    with pytest.raises(CrossmemError, match="A pull request cannot be tagged"):
        push_folder(tmp_path, "a/b", "dataset", message="Push", create_pr=True, **how)


@pytest.mark.parametrize("tag", ["v 1", "../x", "", "-v", "v1..2", "v.lock", "v1."])
def test_what_cannot_be_a_version_is_refused_before_anything_is_sent(tmp_path, tag):
    with pytest.raises(CrossmemError, match="is no name for a version"):
        push_folder(tmp_path, "a/b", "dataset", message="Push", tag=tag)
    assert check_tag_name("v1.0-rc_1") == "v1.0-rc_1"
