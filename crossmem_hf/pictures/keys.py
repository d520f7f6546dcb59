# SPDX-License-Identifier: Apache-2.0
"""Keys of what pictures show, equal for equal pixels whatever files they come from. It does not know what they key."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from crossmem_hf.pictures.reading import as_seen


def pictures_key(images: Sequence[Any], what: str = "A picture") -> bytes:
    """Equal for pictures that look equal, in the same order, whatever files they come from.

    Args:
        images: As `as_seen` takes them.
        what: What an error calls one.

    Raises:
        CrossmemError: A picture is none, or cannot be shown.
    """
    digest = hashlib.blake2b(digest_size=16)
    for image in (as_seen(image, what) for image in images):
        digest.update(repr((image.mode, image.size)).encode())
        digest.update(image.tobytes())
    return digest.digest()


def picture_keys(rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """For each row the key of what its ``images`` show, in their order; None where it has none."""
    stored: Any = rows
    if hasattr(rows, "with_format"):  # a Dataset: its stored bytes will do, and need not be decoded
        tables = stored.select_columns(["images"]).with_format("arrow").iter(256)
        stored = (row for table in tables for row in table.to_pylist())
    known = KnownPictures()
    return [
        known.key(row["images"], f"Row {index}: A picture") if row["images"] else None
        for index, row in enumerate(stored)
    ]


class KnownPictures:
    """Keys of pictures of which many rows show the same, so that each file is decoded once."""

    def __init__(self) -> None:
        self._by_files: dict[bytes, str] = {}

    def key(self, images: Sequence[Any], what: str = "A picture") -> str:
        """`pictures_key` in hex digits.

        Raises:
            CrossmemError: A picture is none, or cannot be shown.
        """
        if not all(isinstance(image, dict) and image["bytes"] for image in images):
            return pictures_key(images, what).hex()
        files = hashlib.blake2b(b"".join(hashlib.blake2b(image["bytes"]).digest() for image in images)).digest()
        if files not in self._by_files:
            self._by_files[files] = pictures_key(images, what).hex()
        return self._by_files[files]
