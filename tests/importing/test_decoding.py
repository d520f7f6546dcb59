# SPDX-License-Identifier: Apache-2.0
import logging

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.decoding import encoding_of, text_of

TEXT = "who,a\nJosé,Bäcker €5\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "ascii"]
)
def test_text_is_read_in_its_encoding(encoding, tmp_path):
    text = TEXT if encoding != "ascii" else "who,a\nAnn,x\n"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert text_of(tmp_path / "t.csv") == text


def test_windows_is_told_once_with_a_line_to_look_at(tmp_path, caplog):
    (tmp_path / "t.csv").write_bytes(TEXT.encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        assert [encoding_of(tmp_path / "t.csv") for _ in range(2)] == ["cp1252"] * 2
    (said,) = caplog.messages
    assert "'t.csv' is not UTF-8 and is read as Windows-1252. Its line 2 is then 'José,Bäcker €5'" in said
    with pytest.raises(CrossmemError, match="3 of its bytes are no UTF-8, the first in line 2"):
        text_of(tmp_path / "t.csv", windows=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\nÄnn Müller Jürgen\n".encode() + b"B\xe9b\n", "1 of its bytes are no UTF-8, the first in line 3"),
        ("a\nZoë, Jürgen".encode()[:-1] + "ö".encode()[:1], "1 of its bytes are no UTF-8, the first in line 2"),
        (b"a\nJos\x81\n", r"byte 0x81, which stands after 'a\\nJos', is neither UTF-8 nor Windows-1252"),
        (b"a\n\xff\xfeb\0", "byte 0xff"),
        (b"PK\x03\x04\x14\0", "is a ZIP archive, as Excel workbooks are, and no text"),
        (b"\xd0\xcf\x11\xe0\xa1", "is an old Excel workbook"),
    ],
)
def test_what_is_no_text_is_refused_for_what_it_is(content, said, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CrossmemError, match=said):
        encoding_of(tmp_path / "t.csv")


def test_a_letter_between_two_blocks_is_no_damage(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a" * ((1 << 20) - 1) + "é".encode() * 2)
    assert encoding_of(tmp_path / "t.csv") == "utf-8"
