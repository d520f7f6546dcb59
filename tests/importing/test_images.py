# SPDX-License-Identifier: Apache-2.0
"""Portraits of somebody's own people: what becomes of them, and everything that can be wrong with them."""

import csv
import json
import re

import pytest

from crossmem_hf.data.loading import load_rows, published_rows
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.images import PortraitImport, import_portraits
from crossmem_hf.importing.pictures import PictureShape
from crossmem_hf.importing.portraits import PortraitColumns
from tests.data import picturing
from tests.importing.conftest import PERSONAS

SMALL = PictureShape(size=16)


def described(root):
    for person in PERSONAS:
        for number in range(5):
            (root / person / f"{number}.txt").write_text(
                f"Someone\nwith {number} hats, like nobody in {person[-2:]}x.\n"
            )


def imported(source, target, **options):
    return import_portraits(str(source), target, PortraitImport(**({"shape": SMALL} | options)))


def refused(source, tmp_path, said, **options):
    with pytest.raises(CrossmemError, match=said) as raised:
        imported(source, tmp_path / "out", **options)
    assert not list(tmp_path.glob("*out*"))
    return str(raised.value)


def test_folders_become_rows_in_three_splits(folders, tmp_path):
    out = imported(folders, tmp_path / "out")
    rows = {split: load_rows(str(out), "recall_image", split) for split in ("train", "validation", "test")}
    assert {split: len(own) for split, own in rows.items()} == {"train": 9, "validation": 3, "test": 3}
    assert {split: set(own["persona_id"]) for split, own in rows.items()} == {split: set(PERSONAS) for split in rows}
    row = rows["train"][0]
    assert row["images"][0].size == (16, 16)
    assert row["completion"] == [{"role": "assistant", "content": "Ann Lee"}]
    assert row["answer"] == "Ann Lee"
    assert row["prompt"][0]["content"] == "What is the name of the person in this image?"
    assert (row["attribute"], row["modality"], row["hops"], row["template"]) == (
        "full_name",
        "image",
        1,
        "train-imported",
    )
    assert rows["train"]["view"][:] == [0, 1, 2] * 3
    colors = {row["images"][0].getpixel((0, 0)) for own in rows.values() for row in own}
    assert len(colors) == 15  # no view is in two splits


def test_other_configs_say_who_is_forgotten_and_what_could_be_answered(folders, tmp_path):
    out = str(imported(folders, tmp_path / "out", forget_fraction=0.34))
    (forgotten,) = forget_ids(PERSONAS, 0.34)
    forget, retain = (load_rows(out, "recall_image_test", split) for split in ("forget", "retain"))
    assert set(forget["persona_id"]) == {forgotten} == set(published_rows(out, "people", "forget")["persona_id"])
    assert set(retain["persona_id"]) == set(PERSONAS) - {forgotten}
    (names,) = published_rows(out, "candidates", "target")
    assert names == {"attribute": "full_name", "kind": "name", "values": ["Ann Lee", "Bob Ox", "Cyd Ray"]}


def test_descriptions_are_a_modality_of_their_own(folders, tmp_path):
    described(folders)
    out = str(imported(folders, tmp_path / "out"))
    rows = {split: load_rows(out, "recall_text", split) for split in ("train", "validation", "test")}
    assert {split: len(own) for split, own in rows.items()} == {"train": 9, "validation": 3, "test": 3}
    assert rows["test"][0]["images"] == []
    question = rows["train"][0]["prompt"][0]["content"]
    assert re.fullmatch(
        r"Someone with \d hats, like nobody in eex. What is the name of the person described\?", question
    )
    texts = [row["prompt"][0]["content"] for own in rows.values() for row in own]
    assert len(set(texts)) == 15
    assert len(load_rows(out, "recall_text_test", "retain")) == 2


def test_the_same_pictures_give_the_same_files_whatever_they_are_called(folders, tmp_path):
    first = imported(folders, tmp_path / "first")
    again = imported(folders, tmp_path / "again")
    assert json.loads((first / "imported.json").read_text()) == json.loads((again / "imported.json").read_text())
    for path in folders.glob("Bob Ox/*.png"):
        path.rename(path.with_name(f"renamed{path.name}"))
    renamed = imported(folders, tmp_path / "renamed")
    held_out = [
        {row["images"][0].tobytes() for row in load_rows(str(out), "recall_image", "test")} for out in (first, renamed)
    ]
    assert held_out[0] == held_out[1]
    other = imported(folders, tmp_path / "other", seed=5)
    assert {row["images"][0].tobytes() for row in load_rows(str(other), "recall_image", "test")} != held_out[0]


def test_the_card_says_whose_it_is_and_where_nothing_is(folders, tmp_path):
    card = (imported(folders, tmp_path / "out", license="cc-by-4.0") / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert "Not synthetic data of ours" in card
    assert "uploaded nothing" in card
    assert str(tmp_path) not in card
    assert "license: other" in (imported(folders, tmp_path / "none") / "README.md").read_text()


def table(root, rows, name="metadata.csv"):
    root.mkdir(exist_ok=True)
    for row in rows:
        path = root / row["file_name"]
        if not path.exists() and path.resolve().is_relative_to(root):
            path.write_bytes(picturing.numbered(rows.index(row)))
    if name.endswith(".jsonl"):
        (root / name).write_text("\n".join(map(json.dumps, rows)))
    else:
        with (root / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return root


def listed(**more):
    names = ["Ann Lee"] * 3 + ["Bob Ox"] * 3
    return [{"file_name": f"{number}.png", "name": name, **more} for number, name in enumerate(names)]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_metadata_file(name, tmp_path):
    splits = ["train", "train", "test"] * 2
    rows = [row | {"who": row["name"][0], "split": split} for row, split in zip(listed(), splits, strict=True)]
    columns = PortraitColumns(person="who")
    out = imported(table(tmp_path / "in", rows, name), tmp_path / "out", columns=columns, forget_fraction=0.5)
    assert load_rows(str(out), "recall_image", "train")["persona_id"][:] == ["A", "A", "B", "B"]
    assert load_rows(str(out), "recall_image", "test")["answer"][:] == ["Ann Lee", "Bob Ox"]


def test_a_dataset_with_labels(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"photo": Image(), "label": ClassLabel(names=["Ann Lee", "Bob Ox"])})
    pictures = [{"bytes": picturing.numbered(number), "path": None} for number in range(6)]
    (tmp_path / "in").mkdir()
    rows = Dataset.from_dict({"photo": pictures, "label": [0, 1] * 3}, features=features)
    rows.to_parquet(tmp_path / "in" / "train.parquet")
    columns = PortraitColumns(name="label", image="photo")
    out = imported(tmp_path / "in", tmp_path / "out", columns=columns, forget_fraction=0.5)
    assert sorted(load_rows(str(out), "recall_image", "test")["answer"]) == ["Ann Lee", "Bob Ox"]


def test_pictures_that_cannot_be_shown_are_all_named_before_anything_is_written(folders, tmp_path):
    (folders / "Ann_Lee/0.png").write_bytes(b"no picture")
    (folders / "Bob Ox/1.png").write_bytes(picturing.bomb())
    (folders / "Bob Ox/2.png").write_bytes(picturing.pages())
    said = refused(folders, tmp_path, "3 of 15 pictures cannot be imported: Ann_Lee/0.png: it is no JPEG")
    assert "Bob Ox/1.png" in said
    assert "decompression bomb" in said
    assert "Bob Ox/2.png: it has 2 pages" in said


def test_a_picture_that_is_cut_off_leaves_nothing(folders, tmp_path):
    (folders / "Cyd Ray/4.png").write_bytes(picturing.photo(size=(500, 500))[:-500])
    refused(folders, tmp_path, "1 of 15 pictures cannot be imported: Cyd Ray/4.png: .*truncated")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / "stray.jpg").write_bytes(b""), "stray.jpg: it lies beside the folders"),
        (lambda root: (root / "Dan").mkdir(), "Dan/: there is no picture in it"),
        (
            lambda root: (root / "Bob Ox/metadata.csv").write_text("x"),
            "Bob Ox/: it has a metadata.csv, so it is no pers",
        ),
        (lambda root: [(root / f"Bob Ox/{n}.png").unlink() for n in (0, 1, 2)], "'Bob Ox': there are 2 pictures; exp"),
        (lambda root: [(root / f"Bob Ox/{n}.png").unlink() for n in range(4)], "'Bob Ox': there is 1 picture; exp"),
        (lambda root: (root / "Bob Ox").rename(root / "ann lee"), "'ann lee' has the name of person 'Ann_Lee'"),
        (
            lambda root: (root / "Bob Ox/9.png").write_bytes((root / "Bob Ox/0.png").read_bytes()),
            "Bob Ox/9.png: it is the same picture as Bob Ox/0.png",
        ),
        (
            lambda root: (root / "Cyd Ray/9.png").write_bytes((root / "Bob Ox/0.png").read_bytes()),
            "of another person, 'Bob Ox'",
        ),
        (lambda root: (root / "Bob Ox/9.png").symlink_to(root.parent / "x.png"), "outside of the folder"),
        (lambda root: (root / "Bob Ox/0.txt").write_text("One hat."), "people cannot be imported: person 'Ann_Lee'"),
        (lambda root: (root / "Bob Ox/0.txt").write_bytes(b"\xff"), "description '0.txt' cannot be read"),
    ],
)
def test_folders_that_cannot_be_imported(change, said, folders, tmp_path):
    change(folders)
    refused(folders, tmp_path, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A picture of Ray.", "says 'Ray', which is to be recalled"),
        ("someone like cyd ray", "says 'Cyd Ray', which is to be recalled"),
    ],
)
def test_a_description_that_says_the_name(text, said, folders, tmp_path):
    described(folders)
    (folders / "Cyd Ray/2.txt").write_text(text)
    refused(folders, tmp_path, f"person 'Cyd Ray': the description .*{said}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "line 2 of metadata.csv: its 'name' is empty"),
        ({"file_name": "../outside.png"}, r"line 2 of metadata.csv: its picture '../outside.png' lies outside"),
        ({"file_name": "/etc/hostname"}, "lies outside of the folder"),
        ({"file_name": ""}, "its picture is ''"),
        ({"split": "dev"}, "has the split 'dev'"),
        ({"split": "train"}, "expected one of train, validation, test"),
    ],
)
def test_rows_of_a_metadata_file_that_cannot_be_imported(change, said, tmp_path):
    rows = listed(split="")
    rows[0] |= change
    refused(table(tmp_path / "in", rows), tmp_path, said)


def test_columns_that_are_not_there(tmp_path):
    source = table(tmp_path / "in", listed())
    for columns in ("name", "person", "image", "description", "split"):
        options = PortraitColumns(**{columns: "nope"})
        refused(source, tmp_path, "6 of 6 records .* it has no 'nope'; there are file_name, name", columns=options)


def test_one_person_under_two_names(tmp_path):
    rows = listed(who="a")
    refused(
        table(tmp_path / "in", rows),
        tmp_path,
        "'a' is called 'Bob Ox' and 'Ann Lee'",
        columns=PortraitColumns(person="who"),
    )


def test_a_file_named_by_the_metadata_is_missing(tmp_path):
    source = table(tmp_path / "in", listed())
    (source / "3.png").unlink()
    refused(source, tmp_path, "line 5 of metadata.csv: its picture '3.png' is not in the folder")


def test_a_description_in_two_splits(tmp_path):
    rows = [
        row | {"description": f"Text {number // 2}", "split": split}
        for number, (row, split) in enumerate(
            zip(
                [*listed(), {"file_name": "6.png", "name": "Ann Lee"}],
                ["train", "test", "test"] * 2 + ["train"],
                strict=True,
            )
        )
    ]
    rows[6]["description"] = "More"
    refused(table(tmp_path / "in", rows), tmp_path, "'Text 0' is in several splits")


def test_sources_that_are_none(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "0 people; expected at least 2")
    (tmp_path / "file.png").write_bytes(b"")
    refused(tmp_path / "file.png", tmp_path, "is a file; expected a folder")
    refused(tmp_path / "none", tmp_path, "There is no table")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"held_out": 0.5}, "held-out share 0.5"), ({"held_out": 0}, "held-out"), ({"forget_fraction": 1}, "fraction 1")],
)
def test_shares_out_of_range(options, said):
    with pytest.raises(CrossmemError, match=said):
        PortraitImport(**options)


def test_an_earlier_import_is_replaced_only_if_told_to(folders, tmp_path):
    out = imported(folders, tmp_path / "out")
    with pytest.raises(CrossmemError, match="holds an earlier import"):
        imported(folders, out)
    import_portraits(str(folders), out, PortraitImport(shape=SMALL, held_out=0.4), overwrite=True)
    assert len(load_rows(str(out), "recall_image", "test")) == 6
    (out / "mine.txt").write_text("precious")
    with pytest.raises(CrossmemError, match=r"'mine\.txt', which was not written by an import"):
        import_portraits(str(folders), out, PortraitImport(shape=SMALL), overwrite=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(CrossmemError, match="was not made by an import"):
        import_portraits(str(folders), tmp_path / "other", PortraitImport(shape=SMALL), overwrite=True)


def test_a_failure_leaves_the_earlier_import_as_it_was(folders, tmp_path):
    out = imported(folders, tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (folders / "Cyd Ray/4.png").write_bytes(picturing.photo(size=(500, 500))[:-500])
    with pytest.raises(CrossmemError, match="truncated"):
        import_portraits(str(folders), out, PortraitImport(shape=SMALL), overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_disk_that_is_full(folders, tmp_path, monkeypatch):
    from crossmem_hf.importing.folder import FolderWriter

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FolderWriter, "close", full)
    refused(folders, tmp_path, "Could not write .*No space left")


def test_a_split_too_large_for_a_file_continues_in_another(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("crossmem_hf.importing.folder._LARGEST_SHARD_BYTES", 1)
    monkeypatch.setattr("crossmem_hf.data.release.shards._ROW_GROUP_BYTES", 2000)
    out = imported(folders, tmp_path / "out")
    names = sorted(path.name for path in (out / "recall_image").glob("train-*"))
    assert len(names) > 1
    assert names[0] == f"train-00000-of-{len(names):05d}.parquet"
    assert load_rows(str(out), "recall_image", "train")["view"][:] == [0, 1, 2] * 3
