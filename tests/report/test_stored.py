# SPDX-License-Identifier: Apache-2.0
"""What is kept as JSON is checked, comes back the same, and is named where it is wrong."""

from typing import ClassVar, Literal

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.stored import Stored


class Note(Stored):
    """A file of the tests."""

    newest: ClassVar[int] = 3
    file_name: ClassVar[str] = "note.json"
    remedy: ClassVar[str] = "Write one."

    schema_version: Literal[3] = 3
    text: str


def test_a_file_or_its_folder_gives_back_what_was_written(tmp_path):
    note = Note(text="half \u00bd")
    path = note.write(tmp_path / "note.json")
    assert Note.read(path) == Note.read(tmp_path) == note


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON, perhaps cut short"),
        ("[]", "is no note: it has no schema_version"),
        ('{"schema_version": 2}', "is of schema version 2; this crossmem_hf reads version 3"),
        ('{"schema_version": 3}', "is no valid note. Note.text: Field required"),
        ('{"schema_version": 3, "text": 4}', "Note.text: Input should be a valid string; got 4"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, said):
    (tmp_path / "note.json").write_text(content)
    with pytest.raises(CrossmemError) as caught:
        Note.read(tmp_path)
    assert said in str(caught.value)
    assert "Write one." in str(caught.value)
