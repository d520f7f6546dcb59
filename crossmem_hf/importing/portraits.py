# SPDX-License-Identifier: Apache-2.0
"""Whose pictures there are: a folder a person, a folder with a metadata file, or a dataset with names.

It reads names and finds files; what becomes of them is `views` and `images`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.columns import BadRecordError, Column, Record, short
from crossmem_hf.importing.decoding import text_of
from crossmem_hf.importing.leftovers import is_junk, left_lying
from crossmem_hf.importing.tables import Table, picture_in
from crossmem_hf.importing.validation import ValidationErrors
from crossmem_hf.pictures.reading import is_picture

Picture = Path | bytes
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitColumns:
    """What the columns of a metadata file or dataset are called.

    Attributes:
        name: The person's name; it becomes the answer.
        person: What tells people apart; None for the name.
        image: The picture; None for ``file_name`` in a metadata file and ``image`` in a dataset.
        description: A description of the picture, without the name; None for ``description`` if there is one.
        split: ``train``, ``validation`` or ``test``; None for ``split`` if there is one, else views are divided here.
    """

    name: str = "name"
    person: str | None = None
    image: str | None = None
    description: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What is said of one picture.

    Attributes:
        where: What to call it in an error.
        person: Tells people apart.
        name: The person's name.
        description: Empty if there is none.
        split: Empty if it is to be chosen.
        files: What it was read from, links resolved; empty if it is in a table.
    """

    where: str
    person: str
    name: str
    description: str = ""
    split: str = ""
    files: tuple[Path, ...] = ()


def portraits_in(
    source: str, columns: PortraitColumns, *, config: str | None = None, split: str = "train"
) -> Iterator[tuple[Portrait, Picture]]:
    """Every picture of a folder or dataset, one after another, in an order that does not change; none is opened.

    Args:
        source: A folder of folders, each named after a person; a folder with metadata.csv, .jsonl or .parquet; or a
            dataset that `datasets` loads, on the Hub or in a folder.
        config: Of a dataset.
        split: Of a dataset.

    Raises:
        CrossmemError: It is none of these, or a column, a name or a file is missing; all of them are found first.
    """
    folder = Path(source)
    if folder.is_file():
        raise CrossmemError(f"{source!r} is a file; expected a folder of pictures.", "Give the folder it is in.")
    metadata = _metadata(folder)
    if metadata is not None:
        yield from _in_records(Table(source=str(metadata)), columns, columns.image or "file_name", folder)
    elif folder.is_dir() and not _holds_dataset(folder):
        yield from _in_folders(folder)
    else:
        table = Table(source=source, config=config, split=split)
        yield from _in_records(table, columns, columns.image or "image", folder if folder.is_dir() else None)


def skipped_in(source: str, portraits: Iterable[Portrait]) -> str:
    """A sentence on the files of a folder that none of its portraits was read from; empty if there are none.

    Args:
        source: As for `portraits_in`; of a dataset nothing is skipped.
        portraits: All that were found in it.
    """
    folder = Path(source)
    metadata = _metadata(folder)
    if not folder.is_dir() or (metadata is None and _holds_dataset(folder)):
        return ""
    used = {file for portrait in portraits for file in portrait.files}
    if metadata is None:
        return left_lying(folder, used)
    return left_lying(folder, {*used, metadata.resolve()}, listed=metadata.name)


def _metadata(folder: Path) -> Path | None:
    listings = [folder / name for name in METADATA if (folder / name).is_file()]
    if len(listings) > 1:
        raise CrossmemError(
            f"{folder.name!r} has {' and '.join(path.name for path in listings)}.", "Keep the one that holds."
        )
    return next(iter(listings), None)


def _holds_dataset(folder: Path) -> bool:
    """Whether a folder says or looks like it; notes beside the folders of people, or a table in one, do not."""
    card = folder / "README.md"
    if card.is_file():
        with card.open("rb") as stream:
            if stream.read(3) == b"---":  # as cards of datasets begin
                return True
    return next(folder.rglob("*.parquet"), None) is not None and not any(map(_pictures_of, _folders(folder)))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _pictures_of(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if not path.is_dir() and is_picture(path)]


def _in_folders(root: Path) -> Iterator[tuple[Portrait, Picture]]:
    errors, seen, personas = ValidationErrors("pictures"), 0, set[str]()
    for path in _visible(root):
        if path.is_file() and is_picture(path):
            seen += 1
            errors.add(path.name, "it lies beside the folders of people, so it is nobody's")
        if not path.is_dir():
            continue
        pictures = _pictures_of(path)
        seen += len(pictures) or 1
        if fault := _no_person(path, pictures):
            errors.add(f"{path.name}/", fault)
        person, name = _said(path.name), _said(path.name.replace("_", " "))
        if person in personas:  # told apart by bytes, not by readers
            errors.add(f"{path.name}/", f"person {person!r} has another folder")
        personas.add(person)
        for picture in pictures:
            where = f"{path.name}/{picture.name}"
            try:
                found, beside = picture_in(where, root), picture.with_suffix(".txt")
                said = Portrait(
                    where=where,
                    person=person,
                    name=name,
                    description=_described(beside, root),
                    files=(picture.resolve(), beside.resolve()),
                )
                yield said, found
            except BadRecordError as error:
                errors.add(where, error)
    errors.check(seen)


def _no_person(folder: Path, pictures: list[Path]) -> str:
    """Why a folder is nobody's; empty if it is somebody's."""
    listing = next((name for name in METADATA if (folder / name).is_file()), None)
    if listing is not None:
        return f"it has a {listing}, so it is no person's; import that folder by itself"
    if pictures:
        return ""
    deeper = any(_pictures_of(inner) for inner in _folders(folder))
    return f"there is no picture in it{', only in folders in it' if deeper else ''}"


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not is_junk(path))


def _described(path: Path, root: Path) -> str:
    """The description in a text file beside a picture, as tools for captions write them."""
    if path.exists() and not path.resolve().is_relative_to(root.resolve()):
        raise BadRecordError(f"its description {path.name!r} is a link to a file outside of {root.name!r}")
    try:
        return _said(text_of(path, windows=False)) if path.is_file() else ""
    except (OSError, UnicodeDecodeError, CrossmemError) as error:
        raise BadRecordError(f"its description {path.name!r} cannot be read: {error}") from error


def _in_records(
    table: Table, columns: PortraitColumns, image: str, root: Path | None
) -> Iterator[tuple[Portrait, Picture]]:
    errors, seen = ValidationErrors("records"), 0
    for where, record in table.records():
        seen += 1
        try:
            said = _portrait(where, record, columns)
            picture = picture_in(Column(column=image).of(record), root)
            yield replace(said, files=(picture,) if isinstance(picture, Path) else ()), picture
        except BadRecordError as error:
            errors.add(where, error)
    errors.check(seen)


def _portrait(where: str, record: Record, columns: PortraitColumns) -> Portrait:
    name = _text(record, columns.name)
    return Portrait(
        where=where,
        person=_text(record, columns.person) if columns.person else name,
        name=name,
        description=_optional(record, columns.description, "description"),
        split=_optional(record, columns.split, "split"),
    )


def _text(record: Record, column: str) -> str:
    text = _said(Column(column=column).of(record))
    if not text:
        raise BadRecordError(f"its {column!r} is empty")
    return text


def _optional(record: Record, column: str | None, usual: str) -> str:
    if column is None:
        return _said(record.get(usual))
    return _said(Column(column=column).of(record))


def _said(value: Any) -> str:
    if isinstance(value, list | dict | bytes):
        raise BadRecordError(f"{short(value)} is no text")
    return "" if value is None else " ".join(normalize("NFC", str(value)).split())  # macOS names files in NFD
