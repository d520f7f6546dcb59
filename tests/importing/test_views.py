# SPDX-License-Identifier: Apache-2.0
"""Whose pictures and descriptions they are, where files, names and pictures only look different."""

import pytest

from crossmem_hf.data.loading import load_rows
from tests.importing.test_images import described, imported, listed, refused, table


def test_a_description_outside_of_the_folder_is_not_read(folders, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a line of another file")
    (folders / "Ann_Lee" / "1.txt").symlink_to(secret)
    assert "another file" not in refused(folders, tmp_path, r"'1\.txt' is a link to a file outside")


def test_one_picture_in_two_file_formats_is_one_picture(folders, tmp_path):
    from PIL import Image

    with Image.open(folders / "Ann_Lee" / "0.png") as picture:
        picture.save(folders / "Bob Ox" / "9.bmp")
    refused(folders, tmp_path, r"Bob Ox/9\.bmp.*it shows the same picture as Ann_Lee/0\.png")


@pytest.mark.parametrize("name", ["__", "---", "Bob<image>Ray"])
def test_what_is_no_name_is_refused(folders, tmp_path, name):
    (folders / "Bob Ox").rename(folders / name)
    refused(folders, tmp_path, "is no name")


def test_names_are_compared_as_people_read_them(folders, tmp_path):
    composed, taken_apart = "Jos\u00e9", "Jose\u0301"
    (folders / "Bob Ox").rename(folders / f"{taken_apart} Ox")
    (folders / "Cyd Ray").rename(folders / f"{composed} Ox")
    refused(folders, tmp_path, "has another folder")


def test_a_name_in_capitals_is_said_all_the_same(folders, tmp_path):
    described(folders)
    (folders / "Ann_Lee" / "0.txt").write_text("ANN in a hat")
    refused(folders, tmp_path, "says 'ANN', which is to be recalled")


HINDI = (
    "\u0930\u093e\u0927\u093e",
    "\u0930\u0940\u0927\u0940",
    "\u0905\u0928\u0928\u094d\u092f\u093e",
)  # Radha, Ridhi, Ananya
OTHERS = ("王小明", "สมชาย", "محمد علي")


@pytest.mark.parametrize("names", [HINDI, OTHERS])
def test_names_in_other_scripts_are_told_apart_by_all_their_signs(folders, tmp_path, names):
    for old, new in zip(("Ann_Lee", "Bob Ox", "Cyd Ray"), names, strict=True):
        (folders / old).rename(folders / new)
    out = imported(folders, tmp_path / "out")
    assert set(load_rows(str(out), "recall_image", "test")["answer"]) == set(names)


def test_a_description_says_a_name_in_another_script_or_does_not(folders, tmp_path):
    described(folders)
    (folders / "Ann_Lee").rename(folders / HINDI[2])
    # begins like the name, and is another word
    (folders / HINDI[2] / "0.txt").write_text("\u0905\u0928\u0928 \u0939\u0948", encoding="utf-8")
    imported(folders, tmp_path / "fine")
    (folders / HINDI[2] / "0.txt").write_text(f"\u092f\u0939 {HINDI[2]} \u0939\u0948\u0964", encoding="utf-8-sig")
    refused(folders, tmp_path / "new", f"says '{HINDI[2]}', which is to be recalled")


def test_a_file_is_found_in_every_spelling_of_its_name(tmp_path):
    composed, taken_apart = "Jos\u00e9", "Jose\u0301"
    rows = [row | {"file_name": f"{taken_apart}-{row['file_name']}"} for row in listed()]
    folder = table(tmp_path / "in", rows)
    listing = folder / "metadata.csv"
    listing.write_text(listing.read_text().replace(taken_apart, composed), encoding="utf-8")
    out = imported(folder, tmp_path / "out", forget_fraction=0.5)
    plain = imported(table(tmp_path / "plain", listed()), tmp_path / "out_plain", forget_fraction=0.5)
    parts = ("train", "validation", "test")
    counts = [[len(load_rows(str(done), "recall_image", part)) for part in parts] for done in (out, plain)]
    assert sum(counts[0]) == sum(counts[1]) > 0


def test_a_metadata_file_of_a_spreadsheet(tmp_path):
    folder = table(tmp_path / "in", listed())
    listing = folder / "metadata.csv"
    names = {"Ann Lee": "J\u00f6rg Ek", "Bob Ox": "Null"}
    text = listing.read_text().replace(",", ";")
    for old, new in names.items():
        text = text.replace(old, new)
    listing.write_bytes(text.encode("cp1252"))
    out = imported(folder, tmp_path / "out", forget_fraction=0.5)
    assert set(load_rows(str(out), "recall_image", "train")["answer"]) == set(names.values())


def test_two_metadata_files(tmp_path):
    table(table(tmp_path / "in", listed()), listed(), "metadata.jsonl")
    refused(tmp_path / "in", tmp_path, r"has metadata\.jsonl and metadata\.csv")
