# SPDX-License-Identifier: Apache-2.0
"""Digests of what rows contain: texts, columns, what pictures show. They depend on no code and on no picture encoder.

It does not know what is made from the rows.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PIL import Image

from crossmem_hf.data.albums.album import album_fingerprint
from crossmem_hf.data.configs.table import SPLITS, check_config, check_split
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.rows import Row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.pictures.keys import KnownPictures

if TYPE_CHECKING:
    import datasets


def rows_digest(rows: "Iterable[Row] | datasets.Dataset") -> str:
    """Sixteen hex digits that change with any text, number, pixel or column of the rows, and with their order.

    Pictures count by what they show, not by their files; equal rows have equal digests, from wherever they are read.

    Args:
        rows: A `Dataset` is read table by table.

    Raises:
        CrossmemError: A picture cannot be shown.

    Example:
        >>> rows_digest([{"answer": "Ada"}]) == rows_digest([{"answer": "Bo"}])
        False
    """
    digest, known = hashlib.sha256(), KnownPictures()
    for row in _stored(rows):
        text = json.dumps(_plain(row, known), sort_keys=True, separators=(",", ":"), default=repr)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


def spec_digest(spec: DatasetSpec, configs: Sequence[str]) -> str:
    """The `rows_digest` of some of our own rows, in one; the rows are made, and not kept.

    Args:
        configs: Each stands for all its splits but ``far``, which is named by itself: ``"recall_image/far"``. So the
            digest of near views is what it was before there were others.

    Raises:
        CrossmemError: An unknown config or split, or rows that cannot be made.

    Example:
        >>> few = DatasetSpec(num_personas=5, num_views=1)
        >>> spec_digest(few, ["recall_text"]) == spec_digest(few, ["recall_image"])
        False
    """
    album = None if spec.portraits is None else album_fingerprint(spec.portraits)
    parts = {name: [_split_digest(spec, *place, album) for place in _places(name)] for name in configs}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _places(name: str) -> list[tuple[str, str]]:
    """(config, split) of all that a name stands for."""
    config, _, split = name.partition("/")
    check_config(config)
    if split:
        check_split(config, split)
    return [(config, one) for one in ([split] if split else SPLITS[config]) if split or one != "far"]


@lru_cache(maxsize=256)  # stages of one run ask again
def _split_digest(spec: DatasetSpec, config: str, split: str, _album: str | None) -> str:
    return rows_digest(rows_of(config, split, personas_of(config, split, spec), spec))


def _stored(rows: Any) -> Iterator[Mapping[str, Any]]:
    """The rows, those of a Dataset without decoding their pictures."""
    if not hasattr(rows, "with_format"):
        yield from rows
        return
    for table in rows.with_format("arrow").iter(256):
        yield from table.to_pylist()


def _plain(value: Any, known: KnownPictures) -> Any:
    """What JSON can say of a value, a picture by its key."""
    if isinstance(value, Image.Image) or (isinstance(value, Mapping) and value.keys() == {"bytes", "path"}):
        return {"picture": known.key([value])}
    if isinstance(value, Mapping):
        return {str(name): _plain(entry, known) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, known) for entry in value]
    return value
