# SPDX-License-Identifier: Apache-2.0
"""Folders as phones and archives make them: what comes in by its contents, and that the rest is told."""

from crossmem_hf.data.loading import load_rows
from crossmem_hf.importing.images import PortraitImport, import_portraits
from tests.data import picturing
from tests.importing.test_images import SMALL, described, imported, listed, refused, table


def notes_of(source, tmp_path, **options):
    notes = []
    import_portraits(str(source), tmp_path / "out", PortraitImport(**({"shape": SMALL} | options)), noted=notes.append)
    return " ".join(notes)


def test_files_as_phones_make_them_come_in(folders, tmp_path):
    """By what is in them, whatever they are called; of several pictures the first."""
    made = {
        "5.jfif": picturing.photo("navy"),
        "6.JPE": picturing.photo("plum"),
        "7.gif": picturing.film("GIF", ("gold", "blue")),
        "8.webp": picturing.film("WEBP", ("lime", "blue")),
        "9.jpg": picturing.film("MPO", ("pink", "blue")),
        "10.avif": picturing.painting("cyan"),  # a PNG in truth
        "11": picturing.painting((1, 2, 3), mode="RGB"),
    }
    for name, content in made.items():
        (folders / "Ann_Lee" / name).write_bytes(content)
    said = notes_of(folders, tmp_path)
    rows = [
        row
        for split in ("train", "validation", "test")
        for row in load_rows(str(tmp_path / "out"), "recall_image", split)
    ]
    assert sum(row["answer"] == "Ann Lee" for row in rows) == 5 + len(made)
    assert "Took one picture of each of 3 files that hold several: Ann_Lee/7.gif (the first of 2 frames), " in said
    assert "Ann_Lee/8.webp (the first of 2 frames), Ann_Lee/9.jpg (the main one of 2 pictures)." in said
    middles = [row["images"][0].getpixel((8, 8)) for row in rows]
    assert {(255, 215, 0), (1, 2, 3)} <= set(middles)


def test_what_is_not_imported_is_told(folders, tmp_path, caplog):
    described(folders)
    (folders / "__MACOSX/Ann_Lee").mkdir(parents=True)
    for junk in ("__MACOSX/Ann_Lee/._0.png", "Ann_Lee/._0.png", "Bob Ox/.DS_Store", "Bob Ox/Thumbs.db", "desktop.ini"):
        (folders / junk).write_bytes(b"\0\5\x16\7")
    (folders / "Ann_Lee/2020").mkdir()
    (folders / "Ann_Lee/2020/1.png").write_bytes(picturing.numbered(99))
    (folders / "Ann_Lee/clip.mov").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(20))
    (folders / "Bob Ox/.secret.png").write_bytes(picturing.numbered(98))
    said = notes_of(folders, tmp_path)
    assert said == (
        "Skipped 4 files: notes.txt (no picture that can be shown), Ann_Lee/clip.mov (no picture that can be shown), "
        "Ann_Lee/2020/1.png (not directly in a person's folder), Bob Ox/.secret.png (hidden). "
        "Passed over 5 files that systems leave, such as desktop.ini."
    )
    assert len(load_rows(str(tmp_path / "out"), "recall_image", "train")) == 9
    with caplog.at_level("WARNING", "crossmem_hf"):
        imported(folders, tmp_path / "again")
    assert "Skipped 4 files" in caplog.text


def test_pictures_that_the_metadata_do_not_name_are_told(tmp_path):
    source = table(tmp_path / "in", listed(), "metadata.jsonl")
    (source / "6.png").write_bytes(picturing.numbered(6))
    (source / "people.csv").write_text("file_name,name")
    said = notes_of(source, tmp_path, forget_fraction=0.5)
    assert said == "Skipped 2 files: 6.png (not in metadata.jsonl), people.csv (no picture that can be shown)."


def test_a_heic_without_its_extra_says_what_it_needs(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("crossmem_hf.pictures.reading._formats", lambda: ("JPEG", "PNG"))
    for name in ("IMG_1.HEIC", "IMG_2.jpg"):
        (folders / "Bob Ox" / name).write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(60))
    said = refused(folders, tmp_path, "2 of 17 pictures cannot be imported: Bob Ox/IMG_1.HEIC: it is a HEIC picture")
    assert "Bob Ox/IMG_2.jpg: it is a HEIC picture, which needs the extra heic: pip install pillow-heif" in said


def test_notes_and_tables_beside_people_make_no_dataset_of_them(folders, tmp_path):
    (folders / "README.md").write_text("# My friends\n")
    (folders / "Ann_Lee/old.parquet").write_bytes(b"no table")
    (folders / "$RECYCLE.BIN").mkdir()
    (folders / "$RECYCLE.BIN/5.png").write_bytes(picturing.numbered(97))
    (folders / "Bob Ox/old.jpg").mkdir()
    (folders / "Bob Ox/old.jpg/1.png").write_bytes(picturing.numbered(96))
    said = notes_of(folders, tmp_path)
    assert "Skipped 4 files: README.md (no picture that can be shown), notes.txt (no picture" in said
    assert "Bob Ox/old.jpg/1.png (not directly in a person's folder). Passed over 1 file that systems leave" in said
    assert len(load_rows(str(tmp_path / "out"), "recall_image", "train")) == 9


def test_a_folder_of_folders_is_said_to_be_one(folders, tmp_path):
    folders.rename(tmp_path / "people")
    (tmp_path / "above").mkdir()
    (tmp_path / "people").rename(tmp_path / "above/people")
    refused(tmp_path / "above", tmp_path, "people/: there is no picture in it, only in folders in it")
