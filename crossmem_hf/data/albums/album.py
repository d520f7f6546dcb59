# SPDX-License-Identifier: Apache-2.0
"""Folders of portraits made elsewhere, as pictures of rows. It does not know what made them.

An album is ``metadata.jsonl``, a line a picture with ``file_name``, ``persona_id``, ``split``, ``view``, ``layout``
and ``sha256``, beside ``portraits.json``, which says whose world it is. `datasets` reads it as an image folder, too.
No album has views of the family ``far``: those are its ``test`` pictures, taken again as `rendering.views` says.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.pictures.reading import BadPictureError, as_seen, opened
from crossmem_hf.rendering.retaken import retaken
from crossmem_hf.rendering.views import View, view_for

LISTING = "metadata.jsonl"
ABOUT = "portraits.json"
_LARGEST_SIDE = 4096
_AGAIN = "Run crossmem portraits for it again, or name another folder."


@dataclass(frozen=True, slots=True, kw_only=True)
class Photographed(Persona):
    """A persona whose portraits are in an album rather than drawn.

    Attributes:
        album: The album's folder.
    """

    album: str


def photographed(personas: Sequence[Persona], folder: str) -> list[Persona]:
    """The same people, with their portraits in an album.

    Raises:
        CrossmemError: The folder is no album, or one of people of another world.
    """
    album = _album(folder)
    for person in personas:
        if person.seed != album.seed:
            raise CrossmemError(
                f"The portraits in {folder!r} are of persona seed {album.seed!r}, these people of {person.seed!r}.",
                f"Pass seed={album.seed!r}, or portraits of these people.",
            )
    names = [field.name for field in fields(Persona)]
    return [Photographed(**{name: getattr(person, name) for name in names}, album=folder) for person in personas]


def album_fingerprint(folder: str) -> str:
    """Sixteen hex digits that change with any picture of an album.

    Raises:
        CrossmemError: The folder is no album.
    """
    return _album(folder).fingerprint


def pictures_of_album(folder: str) -> list[tuple[str, Path]]:
    """Persona id and file of every picture of an album, anchors too, in the album's order.

    Raises:
        CrossmemError: The folder is no album.
    """
    entries = _album(folder).entries
    return [(person, Path(folder) / entry["file_name"]) for (person, _, _), entry in entries.items()]


def models_of_album(folder: str) -> list[str]:
    """What made an album's pictures, by name and commit.

    Raises:
        CrossmemError: The folder is no album.
    """
    return list(_album(folder).models)


def layout_in_album(person: Photographed, split: ViewSplit, index: int) -> str:
    """What view number `index` shows behind a person; layouts of different splits never meet, but that a far view has
    the layout of the test picture that it is made from.

    Raises:
        CrossmemError: The album has no such view.
    """
    return str(_entry(person, split, index)["layout"])


def png_in_album(person: Photographed, split: ViewSplit, index: int, size: int) -> bytes:
    """View number `index` of a person as a PNG of `size` x `size` pixels; a far one is a test picture taken again.

    Raises:
        CrossmemError: The album has no such view, or a smaller one; or its file is missing, changed or no picture.
    """
    entry = _entry(person, split, index)
    view = view_for(person, split, index) if split == "far" else None
    return _png(Path(person.album) / entry["file_name"], entry["sha256"], size, view)


@lru_cache(maxsize=256)  # rows come person by person, and many questions share a view
def _png(path: Path, digest: str, size: int, view: View | None) -> bytes:
    from PIL import Image

    try:
        stored = path.read_bytes()
        if hashlib.sha256(stored).hexdigest() != digest:
            raise CrossmemError(f"The portrait {str(path)!r} was changed since it was made.", _AGAIN)
        with opened(stored) as picture:
            if max(picture.size) > _LARGEST_SIDE:
                raise CrossmemError(f"The portrait {str(path)!r} has {picture.size} pixels.", "Use smaller portraits.")
            if min(picture.size) < size:
                raise CrossmemError(
                    f"The portrait {str(path)!r} has {picture.size} pixels, fewer than image_size={size}.",
                    "Lower image_size: portraits are not enlarged.",
                )
            seen = as_seen(picture)
            shown = seen.resize((size, size), Image.Resampling.LANCZOS) if view is None else retaken(seen, view, size)
    except BadPictureError as error:
        raise CrossmemError(
            f"The portrait {str(path)!r} cannot be read: {error.__cause__ or error.reason}.", _AGAIN
        ) from error
    except OSError as error:
        raise CrossmemError(f"The portrait {str(path)!r} cannot be read: {error}.", _AGAIN) from error
    buffer = BytesIO()
    shown.save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class _Album:
    seed: int
    models: Sequence[str]
    fingerprint: str
    entries: Mapping[tuple[str, str, int], Mapping[str, Any]]


def _album(folder: str) -> _Album:
    listing = Path(folder) / LISTING
    try:
        state = listing.stat()
    except OSError as error:
        raise CrossmemError(
            f"The folder {folder!r} holds no {LISTING}: {error.strerror}.",
            "Name a folder that crossmem portraits has finished.",
        ) from error
    return _read(folder, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(folder: str, _changed: int, _size: int) -> _Album:
    where = f"{ABOUT} in {folder!r}"
    try:
        about = json.loads((Path(folder) / ABOUT).read_text())
        seed, models = int(about["personas"]["seed"]), [str(name) for name in about["models"]]
        stored, entries = (Path(folder) / LISTING).read_bytes(), {}
        for number, line in enumerate(stored.splitlines(), start=1):
            where = f"Line {number} of {LISTING} in {folder!r}"
            entry = json.loads(line)
            _check_inside(folder, entry["file_name"])
            entries[str(entry["persona_id"]), str(entry["split"]), int(entry["view"])] = {
                name: str(entry[name]) for name in ("file_name", "layout", "sha256")
            }
    except CrossmemError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrossmemError(
            f"{where} cannot be read: {type(error).__name__}: {error}.",
            "Name a folder that crossmem portraits has finished.",
        ) from error
    return _Album(seed, models, hashlib.sha256(stored).hexdigest()[:16], entries)


def _check_inside(folder: str, name: str) -> None:
    if not (Path(folder) / name).resolve().is_relative_to(Path(folder).resolve()):
        raise CrossmemError(f"The album {folder!r} names a file outside it: {name!r}.", "Do not use this album.")


def _entry(person: Photographed, split: ViewSplit, index: int) -> Mapping[str, Any]:
    held = "test" if split == "far" else split
    entry = _album(person.album).entries.get((person.id, held, index))
    if entry is None:
        raise CrossmemError(
            f"The album {person.album!r} has no portrait of {person.id!r} in split {held!r} with number {index!r}.",
            "Make more portraits with crossmem portraits, or ask for fewer people or views.",
        )
    return entry
