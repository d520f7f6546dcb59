# SPDX-License-Identifier: Apache-2.0
"""A picture from outside, made fit for a row: upright, RGB, square, and nothing in the file but pixels.

Cameras write places, times, serial numbers and names into pictures; none of that gets through. It does not know whose
picture it is.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

from PIL import Image, ImageOps

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.reading import BadPictureError as BadPictureError
from crossmem_hf.pictures.reading import as_seen, opened, why_unreadable

Fit = Literal["crop", "pad"]
Kind = Literal["png", "jpeg"]

_SMALLEST, _LARGEST = 16, 2048
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureShape:
    """What pictures become.

    Attributes:
        size: Side in pixels, 16 to 2048; pictures are square.
        fit: ``"crop"`` keeps the middle square, ``"pad"`` keeps everything, between white bars.
        kind: ``"png"`` keeps every pixel; ``"jpeg"`` (quality 95) takes about a fifth of the space.

    Raises:
        CrossmemError: A value out of range.
    """

    size: int = 336
    fit: Fit = "crop"
    kind: Kind = "png"

    def __post_init__(self) -> None:
        if not _SMALLEST <= self.size <= _LARGEST:
            raise CrossmemError(
                f"image size {self.size!r}; expected {_SMALLEST} to {_LARGEST} pixels.", "Choose a size in that range."
            )
        for name, value, known in (("fit", self.fit, get_args(Fit)), ("kind", self.kind, get_args(Kind))):
            if value not in known:
                raise CrossmemError(f"picture {name} {value!r}; expected one of {known}.", "Choose one of them.")


def check_picture(source: Path | bytes) -> str:
    """Look at the head of a picture; pixels are not read, so one cut off in the middle passes.

    Returns:
        What else the file holds, which is left out: "the first of 12 frames"; empty if there is nothing.

    Raises:
        BadPictureError: As for `crossmem_hf.pictures.reading.opened`.
    """
    with opened(source) as picture:
        return why_unreadable(picture)


def clean_picture(source: Path | bytes, shape: PictureShape) -> bytes:
    """The file of the picture as a row holds it. The same picture and shape give the same bytes.

    It shows what `crossmem_hf.pictures.reading.as_seen` does; all of the file but its pixels is dropped.

    Raises:
        BadPictureError: As for `check_picture`, or its pixels cannot be read.
    """
    with opened(source) as picture:
        if picture.format in ("JPEG", "MPO"):  # decoded no larger than is of use; others would give a thumbnail
            picture.draft(None, (2 * shape.size, 2 * shape.size))
        upright = as_seen(picture)
        side = (shape.size, shape.size)
        if shape.fit == "crop":
            square = ImageOps.fit(upright, side, Image.Resampling.LANCZOS)
        else:
            square = ImageOps.pad(upright, side, Image.Resampling.LANCZOS, color=_WHITE)
    # A new picture from bare pixels: Pillow would carry profiles and comments over to the new file.
    bare, buffer = Image.frombytes("RGB", square.size, square.tobytes()), BytesIO()
    if shape.kind == "png":
        bare.save(buffer, format="PNG")
    else:
        bare.save(buffer, format="JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


@contextmanager
def unwarned() -> Iterator[None]:
    """No warnings of Pillow's meanwhile: those of odd metadata, which is dropped, and of sizes, which are checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
