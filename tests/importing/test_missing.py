# SPDX-License-Identifier: Apache-2.0
"""One table with holes in every format that pandas writes; people called Na, Null and Nan are in it."""

import json

import pandas
import pytest

from crossmem_hf.importing.missing import Written, is_missing, settled, whole_places
from crossmem_hf.importing.tables import Table

FRAME = pandas.DataFrame(
    {
        "who": ["Na", "Null", "Nan", "None"],
        "job": ["cook", None, "poet", "king"],
        "year": [1987, None, 1990, 2001],
        "grade": [4.0, 3.5, 2.0, 1.25],
    }
)
JOBS, YEARS = ["cook", None, "poet", "king"], ["1987", None, "1990", "2001"]


def write(kind, path):
    if kind == "NaN.jsonl":
        lines = [json.dumps(record) for record in FRAME.to_dict("records")]
        assert "NaN" in lines[1]
        assert "1987.0" in lines[0]
        path.write_text("\n".join(lines))
    elif kind == "NaN.json":
        path.write_text(json.dumps(FRAME.to_dict("records")))
    elif kind == "null.jsonl":
        FRAME.to_json(path, orient="records", lines=True)
    elif kind == "plain.csv":
        FRAME.to_csv(path)
    elif kind == "nan.csv":
        FRAME.to_csv(path, na_rep="nan")
    elif kind == "excel.csv":
        FRAME.to_csv(path, index=False, sep=";", encoding="utf-16", na_rep="#N/A")
    elif kind == "narrow.parquet":
        FRAME.astype({"grade": "float32", "year": "float32"}).to_parquet(path)
    elif kind == "wide.parquet":
        FRAME.to_parquet(path)
    else:
        path.mkdir()
        FRAME.to_parquet(path / "train.parquet")


KINDS = ["NaN.jsonl", "NaN.json", "null.jsonl", "plain.csv", "nan.csv", "excel.csv", "narrow.parquet", "wide.parquet"]


@pytest.mark.parametrize("kind", [*KINDS, "dataset"])
def test_missing_is_missing_and_years_are_whole_in_every_format(kind, tmp_path):
    write(kind, tmp_path / kind)
    for _ in range(2):  # tables are read twice
        found = [record for _, record in Table(source=str(tmp_path / kind)).records()]
        assert [record["who"] for record in found] == ["Na", "Null", "Nan", "None"]
        assert [record["job"] for record in found] == JOBS
        assert [record["year"] if record["year"] is None else str(record["year"]) for record in found] == YEARS
        assert [str(record["grade"]) for record in found] == ["4.0", "3.5", "2.0", "1.25"]


def test_numbers_keep_the_digits_of_the_file(tmp_path):
    digits = ["1987.0", "1.50", "1e5", "-0.0", "12345678901234567890.10", "0.1000", "7"]
    (tmp_path / "t.jsonl").write_text("\n".join(f'{{"a": {number}}}' for number in digits))
    (tmp_path / "t.csv").write_text("a\n" + "\n".join(digits))
    for name in ("t.jsonl", "t.csv"):
        assert [str(record["a"]) for _, record in Table(source=str(tmp_path / name)).records()] == digits


def test_single_floats_have_the_digits_that_they_were_given(tmp_path):
    pandas.DataFrame({"a": [0.1, 2.5]}, dtype="float32").to_parquet(tmp_path / "t.parquet")
    assert [str(record["a"]) for _, record in Table(source=str(tmp_path / "t.parquet")).records()] == ["0.1", "2.5"]


def test_days_are_written_as_in_the_file(tmp_path):
    """Readers make points in time of them."""
    days = ["1987-05-03", None, "2001-11-30"]
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "train.jsonl").write_text("\n".join(json.dumps({"born": day}) for day in days))
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"born": day}) for day in days))
    pandas.DataFrame({"born": pandas.to_datetime(pandas.Series(days))}).to_parquet(tmp_path / "t.parquet")
    for name in ("lines", "t.jsonl", "t.parquet"):
        found = [record["born"] for _, record in Table(source=str(tmp_path / name)).records()]
        assert found == days, name


def test_numbers_deep_in_a_record():
    records = [{"qa": [{"y": Written("1.0")}, {"y": None}]}, {"qa": [{"y": Written("3.0")}], "z": [Written("1.0")]}]
    assert whole_places(records) == {("qa", "y")}
    assert settled(records[0], whole_places(records)) == {"qa": [{"y": 1}, {"y": None}]}


@pytest.mark.parametrize(
    "values", [["1.0", "2.0"], ["1.0", None, "2.5"], ["1.0", None, "2.00"], ["1.0", None, "9007199254740993.0"]]
)
def test_what_may_have_been_written_so_is_left_as_it_is(values):
    assert not whole_places([{"a": value and Written(value)} for value in values])


def test_texts_are_never_missing():
    assert [is_missing(value) for value in (None, float("nan"), Written("nan"), "nan", "", 0, False)] == [
        *(True, True, True),
        *[False] * 4,
    ]
