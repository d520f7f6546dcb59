# SPDX-License-Identifier: Apache-2.0
"""What a folder's note says is ours, and nothing else may go."""

import json

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.ownership import Owned, digests, owned_files, write_note

NOTE = "note.json"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.bin").write_bytes(b"a")
    (tmp_path / "b.txt").write_text("b")
    write_note(tmp_path, NOTE, "aaaa", digests(tmp_path, NOTE), spec={"seed": 1})
    return tmp_path


def test_owned_files_are_those_that_were_noted(folder):
    found = owned_files(folder, NOTE, writer="us")
    assert found == Owned("aaaa", digests(folder, NOTE), {"spec": {"seed": 1}})
    assert set(found.files) == {"data/a.bin", "b.txt"}
    (folder / "b.txt").write_text("changed")
    (folder / "data" / "a.bin").unlink()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("x")
    assert owned_files(folder, NOTE, writer="us") == found
    assert digests(folder, NOTE) != found.files


def test_owned_files_refuses_a_foreign_file(folder):
    (folder / "data" / "thesis.tex").write_text("years of work")
    with pytest.raises(CrossmemError, match=r"holds 'data/thesis.tex', which was not written by us \(1 such"):
        owned_files(folder, NOTE, writer="us")


@pytest.mark.parametrize("note", [None, "{", "[]", "5", '{"fingerprint": "x"}', '{"fingerprint": "x", "files": 5}'])
def test_owned_files_needs_a_readable_note(folder, note):
    (folder / NOTE).unlink()
    if note is not None:
        (folder / NOTE).write_text(note)
    with pytest.raises(CrossmemError, match=r"no readable note\.json, so it was not made by an import"):
        owned_files(folder, NOTE, writer="an import")


def test_a_note_is_json_with_the_fingerprint(folder):
    assert json.loads((folder / NOTE).read_text())["fingerprint"] == "aaaa"
