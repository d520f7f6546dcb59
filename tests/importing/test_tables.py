# SPDX-License-Identifier: Apache-2.0
import json

import pyarrow
import pytest
from pyarrow import parquet

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.columns import BadRecordError, found
from crossmem_hf.importing.tables import Table, parts_of, picture_in
from crossmem_hf.importing.validation import ValidationErrors

RECORDS = [{"who": "Ann", "q": 'Job, or "call"?'}, {"who": "Böb", "q": "Two\nlines?"}]


def written(path):
    if path.suffix == ".jsonl":
        path.write_text("\n\n".join(json.dumps(record) for record in RECORDS))
    elif path.suffix == ".json":
        path.write_text("  \n" + json.dumps(RECORDS), encoding="utf-8-sig")
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(RECORDS), path)
    else:
        import csv

        with path.open("w", newline="", encoding="utf-8-sig") as stream:
            writer = csv.DictWriter(stream, ["who", "q"], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(RECORDS)
    return path


def records(path):
    return list(Table(source=str(path)).records())


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_every_kind_of_file_gives_the_same_records(kind, tmp_path):
    found = records(written(tmp_path / f"table.{kind}"))
    assert [record for _, record in found] == RECORDS
    assert all(f"table.{kind}" in where for where, _ in found)


def test_capitals_in_the_ending_of_a_file_do_not_matter(tmp_path):
    written(tmp_path / "t.csv").rename(tmp_path / "T.CSV")
    assert [record for _, record in records(tmp_path / "T.CSV")] == RECORDS


def test_a_json_file_of_lines(tmp_path):
    (tmp_path / "full.json").write_text("\n".join(json.dumps(record) for record in RECORDS))
    assert [record for _, record in records(tmp_path / "full.json")] == RECORDS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.jsonl", '{"a": 1}\n{"a": ', "Line 2 of 't.jsonl' is not JSON: Expecting value at column 7"),
        ("t.jsonl", '{"a": 1}\n[1]', r"Line 2 of 't.jsonl' is \[1\]"),
        ("t.json", '[{"a": 1}, 2]', "Record 1 of 't.json' is 2"),
        ("t.csv", "a,b\n1,2,3\n", "Line 2 of 't.csv' has not as many cells"),
        ("t.csv", "a,b\n1\n", "Line 2 of 't.csv' has not as many cells"),
        ("t.parquet", "PAR1", "Parquet file 't.parquet' is corrupt"),
        ("t.xlsx", "", "'t.xlsx' is none of .jsonl"),
    ],
)
def test_a_file_that_cannot_be_read(name, text, said, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(CrossmemError, match=said):
        records(tmp_path / name)


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(CrossmemError, match=r"'t\.csv' cannot be read"):
        records(tmp_path / "t.csv")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CrossmemError, match="There is no table"):
        records(tmp_path / "none.csv")


def test_a_dataset_gives_stored_pictures_and_names_of_classes(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Image, Value

    from tests.data import picturing

    features = Features({"image": Image(), "label": ClassLabel(names=["Ann", "Bob"]), "note": Value("string")})
    stored = {"bytes": picturing.painting(), "path": "a.png"}
    rows = Dataset.from_dict({"image": [stored], "label": [1], "note": [None]}, features=features)
    rows.to_parquet(tmp_path / "train.parquet")
    ((where, record),) = Table(source=str(tmp_path)).records()
    assert where.startswith("row 0 of ")
    assert (record["image"], record["label"], record["note"]) == (stored, "Bob", None)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_column_is_found_in_every_spelling_of_its_name(kind, tmp_path):
    composed, taken_apart = "pr\u00e9nom", "pre\u0301nom"
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist([{taken_apart: "Ann"}]), path)
    else:
        text = json.dumps({taken_apart: "Ann"}) if kind == "jsonl" else f"{taken_apart}\nAnn\n"
        path.write_text(text, encoding="utf-8")
    ((_, record),) = records(path)
    assert [found(record, name) for name in (composed, taken_apart)] == ["Ann", "Ann"]


def test_a_json_object_says_each_thing_once(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": 1, "b": {"c": 1, "c": 2}}')
    with pytest.raises(CrossmemError, match=r"Line 2 of 't\.jsonl' cannot be read: it has 'c' twice in one object"):
        records(tmp_path / "t.jsonl")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_json_in_other_encodings(kind, encoding, tmp_path):
    lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
    text = "\n".join(lines) if kind == "jsonl" else f"[{','.join(lines)}]"
    (tmp_path / f"t.{kind}").write_bytes(text.encode(encoding))
    assert [record for _, record in records(tmp_path / f"t.{kind}")] == RECORDS


def test_pictures_are_found_in_their_folder_only(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.png").write_bytes(b"a")
    (tmp_path / "secret.png").write_bytes(b"s")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    assert picture_in("deep/a.png", folder) == folder / "deep/a.png"
    assert picture_in(str(folder / "deep/a.png"), folder) == folder / "deep/a.png"
    assert picture_in({"bytes": None, "path": "deep/../deep/a.png"}, folder).read_bytes() == b"a"
    for name in ("../secret.png", str(tmp_path / "secret.png"), "deep/../../secret.png", "link.png"):
        with pytest.raises(BadRecordError, match="outside of the folder"):
            picture_in(name, folder)
    with pytest.raises(BadRecordError, match="is not in the folder"):
        picture_in("b.png", folder)
    with pytest.raises(BadRecordError, match="is not in the folder"):
        picture_in("deep", folder)


def test_pictures_that_a_table_holds(tmp_path):
    assert picture_in(b"a", None) == b"a"
    assert picture_in({"bytes": b"a", "path": "/etc/passwd"}, None) == b"a"
    for value in (None, "", 7, {"bytes": None, "path": None}, b"", "a\0b"):
        with pytest.raises(BadRecordError, match="expected a file's name or its bytes"):
            picture_in(value, tmp_path)
    with pytest.raises(BadRecordError, match="no folder of pictures was given"):
        picture_in("a.png", None)


def test_parts_are_configs_or_files(tmp_path):
    (tmp_path / "forget.json").write_text("[]")
    parts = parts_of(str(tmp_path), ["forget=forget.json", "retain=other", "up=../x.json"], split="s")
    assert parts["forget"] == Table(source=str(tmp_path / "forget.json"))
    assert parts["retain"] == Table(source=str(tmp_path), config="other", split="s")
    assert parts["up"].config == "../x.json"
    assert parts_of("a/b", [], config="c") == {None: Table(source="a/b", config="c")}


@pytest.mark.parametrize("parts", [["forget"], ["forget="], ["=a"], ["a b=c"], ["a" * 51 + "=b"], ["a=b", "a=c"]])
def test_a_part_that_says_nothing(parts):
    with pytest.raises(CrossmemError, match="is not SPLIT=WHERE"):
        parts_of("a/b", parts)


def test_one_file_has_no_parts(tmp_path):
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(CrossmemError, match="is one file and has no parts"):
        parts_of(str(tmp_path / "t.json"), ["a=b"])


def test_faults_are_counted_and_the_first_are_shown():
    errors = ValidationErrors("records")
    errors.check(3)
    for number in range(7):
        errors.add(f"line {number}", "bad")
    with pytest.raises(
        CrossmemError, match=r"7 of 9 records cannot be imported: line 0: bad; .*line 4: bad; \.\.\.\. "
    ):
        errors.check(9)
