# SPDX-License-Identifier: Apache-2.0
"""Tables as spreadsheets write them, in bytes; the records are worked out by reading them."""

import logging

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.tables import Table

TWO = [{"who": "José", "a": "1,5"}, {"who": "王小明", "a": "x"}]


def records(path, content, name="t.csv"):
    (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [record for _, record in Table(source=str(path / name)).records()]


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("t.csv", 'who,a\nJosé,"1,5"\n王小明,x\n', "utf-8"),
        ("t.csv", "who;a\r\nJosé;1,5\r\n王小明;x\r\n", "utf-8-sig"),
        ("t.csv", "who\ta\r\nJosé\t1,5\r\n王小明\tx\r\n", "utf-16"),
        ("t.txt", "who\ta\r\nJosé\t1,5\r\n王小明\tx\r\n", "utf-16"),
        ("t.tsv", 'who,a\nJosé,"1,5"\n王小明,x\n', "utf-8"),
        ("t.csv", "sep=;\r\nwho;a\r\nJosé;1,5\r\n王小明;x\r\n", "utf-8-sig"),
        ("t.csv", ' who , "a" ,,\nJosé,"1,5",,\n,,,\n\n王小明,x,,\n'.replace(', "a" ', ",a "), "utf-8-sig"),
        ("t.csv", ',who,a\n0,José,"1,5"\n1,王小明,x\n', "utf-8"),
    ],
)
def test_one_table_in_many_dresses(name, text, encoding, tmp_path):
    assert records(tmp_path, text.encode(encoding), name) == TWO


def test_lines_of_empty_cells_are_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert records(tmp_path, "who,a\nAnn,x\n,\n ,\n\n") == [{"who": "Ann", "a": "x"}]
    assert caplog.messages == ["'t.csv' has 2 line(s) of empty cells only, which were passed over."]


def test_cells_may_be_long_and_hold_line_breaks(tmp_path):
    long = "x" * 200_000
    assert records(tmp_path, f'who,a\r\nAnn,{long}\r\nBob,"a\r\nb ""c"""\r\n') == [
        {"who": "Ann", "a": long},
        {"who": "Bob", "a": 'a\r\nb "c"'},
    ]


def test_one_column_has_no_separator(tmp_path):
    assert records(tmp_path, "who\nAnn\nBob\n") == [{"who": "Ann"}, {"who": "Bob"}]


def test_empty_cells_are_missing_and_people_keep_their_names(tmp_path):
    names = ["Na", "NA", "Null", "null", "None", "Nan", "N/A"]
    empty = ["", "  ", "nan", "NaN", "#N/A", "#REF!", "#DIV/0!"]
    found = records(tmp_path, "who,a\n" + "".join(f"{name},{cell}\n" for name, cell in zip(names, empty, strict=True)))
    assert found == [{"who": name, "a": None} for name in names]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("who,a,who\n1,2,3\n", "'t.csv' has two columns 'who'"),
        ("who,a, who \n1,2,3\n", "'t.csv' has two columns 'who'"),
        ("a;b,c\n1;2,3\n", "may be separated by commas or by semicolons"),
        ('a,b\nx,1\n"y,2\nz,3\n', "Line 3 of 't.csv' cannot be divided into cells: unexpected end of data"),
        ('a,b\n"x"y,1\n', "Line 2 of 't.csv' cannot be divided into cells: ',' expected after '\"'"),
        ("a,b\n1,x\0\n", "Line 2 of 't.csv' holds a NUL character"),
        ("a;b\n1;2;3\n", "Line 2 of 't.csv' has not as many cells as the first line has names: 3 for 2"),
        ("sep=;\na;b\n1;2;3\n", "Line 3 of 't.csv' has not as many cells"),
    ],
)
def test_a_table_that_says_two_things_is_refused(content, said, tmp_path):
    with pytest.raises(CrossmemError, match=said):
        records(tmp_path, content)
