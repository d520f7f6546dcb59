# SPDX-License-Identifier: Apache-2.0
"""Fictitious people, read from the data set's Parquet files in a folder or on the Hub, a person at a time.

Owns which files are read, how large they and their pictures may be, and what is said when they are not the data set.
Knows no page. A visitor names Hub repositories only: a folder comes from whoever starts the app.
"""

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

TOKEN = False if os.environ.get("SPACE_ID") else None  # a public Space must not lend its rights to visitors
MAX_FILE_BYTES = 500_000_000
MAX_PERSONAS = 20_000
MAX_FILE_ROWS = 2_000_000
BATCH_ROWS = 512  # of a file, unfolded at a time: a few bytes of Parquet can stand for gigabytes
MAX_BATCH_BYTES = 500_000_000
MAX_IMAGE_BYTES = 5_000_000
MAX_SIDE = 2_048
MAX_VIEWS = 12
MAX_ROWS = 400
VISUAL_ATTRIBUTES = [
    "face_shape",
    "skin_tone",
    "hair_style",
    "hair_color",
    "eye_color",
    "eyewear",
    "facial_hair",
    "headwear",
    "earrings",
    "cheeks",
    "clothing",
    "clothing_color",
]
_NOT_FACTS = {"persona_id", "full_name", "portrait", "description", "forget_rank", *VISUAL_ATTRIBUTES}
_FIRST = ("qa", "qa_test")  # of the questions: what is most asked for
_FILE = re.compile(r"(?:^|/)(?P<config>\w+)/(?P<split>\w+)-\d+-of-\d+\.parquet$")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class TooLargeError(ValueError):
    """A file holds more than this page can show."""


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file of the data set, fetched when it is asked for."""

    config: str
    split: str
    fetch: Callable[[], Path]


@dataclass(frozen=True, slots=True)
class Profile:
    """A person without pictures: an id, a name, and which split holds them."""

    persona_id: str
    full_name: str
    split: str


def check_repo(repo: str) -> str:
    """The id without the spaces around it.

    Raises:
        ValueError: It is no `owner/name`.
    """
    repo = repo.strip()
    if not _REPO.fullmatch(repo) or ".." in repo:
        raise ValueError(f"{repo!r:.120}; expected a repository of the Hub. Write it like crossmem/personas.")
    return repo


def parts_of_folder(folder: str | os.PathLike[str]) -> list[Part]:
    """The files of a materialized data set: `folder`, or `folder/crossmem/personas`.

    Raises:
        ValueError: There are none.
    """
    root = Path(folder)
    inner = root / "crossmem" / "personas"
    root = inner if inner.is_dir() else root
    parts = []
    for path in sorted(root.rglob("*.parquet")):
        found = _FILE.search(path.relative_to(root).as_posix())
        if found is not None:
            parts.append(Part(found["config"], found["split"], partial(Path, path)))
    if not any(part.config == "profiles" for part in parts):
        raise ValueError(
            f"No personas in {str(folder)!r}; expected profiles/*.parquet. Run crossmem materialize there."
        )
    return parts


def parts_of_repo(repo: str) -> list[Part]:
    """The files of a data set on the Hub.

    Raises:
        ValueError: No such repository, none that can be reached, one without people, or a file that is too large.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.hf_api import RepoFile

    repo = check_repo(repo)
    try:
        tree = list(HfApi(token=TOKEN).list_repo_tree(repo, repo_type="dataset", recursive=True))
    except Exception as error:  # every client library has its own; each means that the Hub gave nothing
        raise ValueError(f"{repo}: {type(error).__name__}; expected a public data set. Check its name.") from None
    parts = []
    for entry in tree:
        if not isinstance(entry, RepoFile):
            continue
        found = _FILE.search(entry.path)
        if found is None:
            continue
        if entry.size > MAX_FILE_BYTES:
            raise ValueError(f"{repo}: {entry.path} has {entry.size:,} bytes; expected at most {MAX_FILE_BYTES:,}.")

        def fetch(path: str = entry.path) -> Path:
            return Path(hf_hub_download(repo, path, repo_type="dataset", token=TOKEN))

        parts.append(Part(found["config"], found["split"], fetch))
    if not any(part.config == "profiles" for part in parts):
        raise ValueError(f"{repo}: no personas; expected profiles/*.parquet. Name a data set like crossmem/personas.")
    return parts


def profiles(parts: Sequence[Part]) -> list[Profile]:
    """Everybody, in the order of their ids.

    Raises:
        ValueError: A file is no such table, or there are too many people.
    """
    found = []
    for part in parts:
        if part.config == "profiles":
            rows = _rows(part, ["persona_id", "full_name"])
            found += [Profile(str(row["persona_id"]), str(row["full_name"])[:200], part.split) for row in rows]
    if len(found) > MAX_PERSONAS:
        raise ValueError(f"{len(found):,} personas; expected at most {MAX_PERSONAS:,} here. Build a smaller data set.")
    return sorted(found, key=lambda profile: profile.persona_id)


def portraits(parts: Sequence[Part], persona_ids: Sequence[str]) -> dict[str, Any]:
    """The portrait of each of some people, as PIL images; a broken one is left out."""
    found: dict[str, Any] = {}
    for part in parts:
        if part.config == "profiles":
            rows = _rows(part, ["persona_id", "portrait"], persona_ids)
            found |= {row["persona_id"]: image for row in rows if (image := picture(row["portrait"])) is not None}
    return found


def person(parts: Sequence[Part], persona_id: str) -> dict[str, Any]:
    """One person: `profile` (a row), `split`, `visual_attributes`, `facts`, `views` (images), `rows` (questions).

    Raises:
        ValueError: Nobody has that id, or a file is no such table.
    """
    held = ((part, row) for part in parts if part.config == "profiles" for row in _rows(part, None, [persona_id]))
    home, profile = next(held, (None, None))
    if home is None or profile is None:
        raise ValueError(f"Nobody has the id {persona_id!r:.80}. Choose a person from the list.")
    views: list[Any] = []
    rows: list[list[str]] = []
    for part in sorted(parts, key=lambda part: (part.config not in _FIRST, part.config, part.split != "train")):
        if part.config in ("profiles", "candidates"):
            continue
        for row in _rows(part, None, [persona_id]):
            image = next(iter(row.get("images") or []), None)
            if part.config == "recall_image" and len(views) < MAX_VIEWS and (shown := picture(image)) is not None:
                views.append((shown, part.split))
            if len(rows) < MAX_ROWS:
                rows.append(_question(part, row, pictured=image is not None))
    facts = {name: str(value) for name, value in profile.items() if name not in _NOT_FACTS and value is not None}
    visual_attributes = {name: str(profile[name]) for name in VISUAL_ATTRIBUTES if profile.get(name) is not None}
    return {
        "profile": profile,
        "split": home.split,
        "visual_attributes": visual_attributes,
        "facts": facts,
        "views": views,
        "rows": rows,
    }


def _question(part: Part, row: Mapping[str, Any], *, pictured: bool) -> list[str]:
    """Config, split, hops, what is shown, the question and the answer."""
    turns = row.get("prompt") or []
    asked = " ".join(str(turn.get("content", "")) for turn in turns if isinstance(turn, dict))
    shown = "portrait" if pictured else str(row.get("modality", ""))
    return [
        part.config,
        part.split,
        str(row.get("hops", "")),
        shown,
        asked[:2_000],
        str(row.get("answer", ""))[:2_000],
    ]


def _rows(part: Part, columns: list[str] | None, persona_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows of a file, of some people only if they are named.

    Raises:
        ValueError: It cannot be fetched or read, or has no such columns.
    """
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    rows: list[dict[str, Any]] = []
    max_rows = MAX_PERSONAS if part.config == "profiles" else MAX_FILE_ROWS
    try:
        with pyarrow.parquet.ParquetFile(part.fetch()) as file:
            if file.metadata.num_rows > max_rows:
                raise TooLargeError(
                    f"{part.config}/{part.split}: {file.metadata.num_rows:,} rows; at most {max_rows:,}."
                )
            if not {"persona_id", *(columns or ())} <= set(file.schema_arrow.names):
                raise KeyError
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                if batch.nbytes > MAX_BATCH_BYTES:
                    raise TooLargeError(f"{part.config}/{part.split}: {BATCH_ROWS} rows take {batch.nbytes:,} bytes.")
                if persona_ids is not None:
                    wanted = pyarrow.compute.is_in(batch["persona_id"], pyarrow.array(persona_ids, pyarrow.string()))
                    batch = batch.filter(wanted)
                rows += batch.to_pylist()
    except TooLargeError:
        raise
    except (pyarrow.ArrowException, OSError, KeyError, ValueError, MemoryError) as error:
        wanted = f"Parquet with {', '.join(columns or ['persona_id'])}"
        raise ValueError(
            f"{part.config}/{part.split}: {type(error).__name__}; expected {wanted}. Build the data set again."
        ) from None
    return rows


def picture(stored: Any) -> Any:
    """The image in a Parquet cell, or None where it is none, too large, or of another format than ours."""
    from PIL import Image

    raw = stored.get("bytes") if isinstance(stored, dict) else None
    if not isinstance(raw, bytes) or len(raw) > MAX_IMAGE_BYTES:
        return None
    try:
        image = Image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "WEBP"))
        if max(image.size) > MAX_SIDE:  # known before a pixel is decoded, so a bomb never unfolds
            return None
        return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
