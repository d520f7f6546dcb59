# SPDX-License-Identifier: Apache-2.0
"""The table of a Space: the three formats it is read from, its limits, and what is said of a bad cell."""

import pytest

from crossmem_hf.metrics import tables
from crossmem_hf.metrics.tables import Column, column, filled_rows, numbers, optional_column, read_table

COLUMNS = (Column("nll", "numbers"), Column("truth", "a place"), Column("persona_id", "whom", needed=False))


@pytest.mark.parametrize(
    "text",
    [
        'truth,nll,persona_id\n0,"1.5, 2.0",ada\n1,"3.0, 4.5",\n',
        '\ufefftruth, nll, persona_id\n0, "1.5, 2.0", ada\n1, "3.0, 4.5",\n',
        '[{"nll": [1.5, 2.0], "truth": 0, "persona_id": "ada"}, {"nll": [3.0, 4.5], "truth": 1}]',
        '{"nll": [1.5, 2.0], "truth": 0, "persona_id": "ada"}\n{"nll": "3.0, 4.5", "truth": 1, "persona_id": null}\n',
        '{"nll": [1.5, 2.0], "truth": 0, "persona_id": "ada"}\n{"nll": "3.0, 4.5", "truth": 1, "persona_id": NaN}\n',
    ],
    ids=["csv", "csv with a byte order mark", "json", "json lines", "json lines of pandas"],
)
def test_all_formats_give_the_same_table(text):
    wanted = [["1.5, 2.0", "0", "ada"], ["3.0, 4.5", "1", ""]]
    assert read_table(text.encode("utf-8"), COLUMNS) == wanted


def test_one_json_object_is_one_row_and_names_are_barred():
    names = (Column("reference", "a name"),)
    assert read_table('{"reference": ["Caro Díaz", "Caro Diaz"]}', names) == [["Caro Díaz | Caro Diaz"]]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "No rows"),
        (b"nll,truth\n", "No rows"),
        (b"nll\n1\n", "No column truth; expected nll, truth, persona_id"),
        (b"nll,truth\n1,2,3\n", "Line 2: not 2 fields"),
        (b"nll,truth\n1\n", "Line 2: not 2 fields"),
        (b"[1, 2]", "no list of objects"),
        (b"[{]", "No JSON"),
        (b"[" * 100_000, "No JSON"),
        (b"\xff\xfe\x00", "Not text in UTF-8"),
        (b"x" * (tables.MAX_BYTES + 1), "bytes; expected at most"),
        (b"nll,truth\n" + b"1,2\n" * (tables.MAX_ROWS + 1), "rows; expected at most"),
    ],
)
def test_a_bad_file_is_named(raw, named):
    with pytest.raises(ValueError, match=named):
        read_table(raw, COLUMNS)


def test_empty_rows_are_skipped_and_places_kept():
    rows, places = filled_rows([["", " "], ["1", None], ["", ""], ["2\x00", "x"]])
    assert (rows, places) == ([["1", ""], ["2", "x"]], [1, 3])


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ([["", ""]], "empty"),
        ([["1"]] * (tables.MAX_ROWS + 1), "rows; expected at most"),
        ([["1"], ["x" * (tables.MAX_CELL + 1)]], "Row 2: a cell"),
    ],
)
def test_a_bad_table_is_named(cells, named):
    with pytest.raises(ValueError, match=named):
        filled_rows(cells)


@pytest.mark.parametrize("cell", ["1, 2.5,3", "1 2.5 3", "[1; 2.5; 3]", "(1,\t2.5,\n3)"])
def test_numbers_are_read_however_they_are_written(cell):
    assert numbers(cell) == [1.0, 2.5, 3.0]


def test_a_bad_cell_is_named_with_what_is_expected():
    with pytest.raises(ValueError, match=r"Row 1: nll 'two'\. Write it like 1, 2\."):
        column([["1"], ["two"]], 0, "nll", numbers, "1, 2")
    with pytest.raises(ValueError, match="Row 0: nll ''"):
        column([["1"]], 1, "nll", numbers, "1, 2")
    assert optional_column([["1", ""], ["2", " "]], 1, "truth", int, "0") is None
    with pytest.raises(ValueError, match="Row 1: truth"):
        optional_column([["1", "0"], ["2", " "]], 1, "truth", int, "0")
