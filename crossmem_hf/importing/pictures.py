# SPDX-License-Identifier: Apache-2.0
"""A picture from outside, made fit for a row: upright, RGB, square, and nothing in the file but pixels.

Cameras write places, times, serial numbers and names into pictures; none of that gets through. It does not know whose
picture it is.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from crossmem_hf.errors import CrossmemError

Fit = Literal["crop", "pad"]
Kind = Literal["png", "jpeg"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_MODES = ("RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr")
# What Pillow's decoders raise on files that are damaged, cut off or made to do harm.
_BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError, struct.error),
    *(zlib.error, Image.DecompressionBombError),
)
_SMALLEST, _LARGEST = 16, 2048
_WHITE = (255, 255, 255)


class BadPictureError(ValueError):
    """Why a picture cannot be shown; whoever knows where it is from says so."""


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


def check_picture(source: Path | bytes) -> None:
    """Look at the head of a picture; pixels are not read, so one cut off in the middle passes.

    Raises:
        BadPictureError: No picture, a format or mode that portraits do not come in, several frames, or more pixels
            than Pillow takes for harmless (89 million).
    """
    with _opened(source):
        pass


def clean_picture(source: Path | bytes, shape: PictureShape) -> bytes:
    """The file of the picture as a row holds it. The same picture and shape give the same bytes.

    The camera's orientation is applied, colours are brought from the file's profile to sRGB, and what is see-through
    becomes white; then all of the file but its pixels is dropped.

    Raises:
        BadPictureError: As for `check_picture`, or its pixels cannot be read.
    """
    with _opened(source) as picture:
        picture.draft(None, (2 * shape.size, 2 * shape.size))  # a JPEG is decoded no larger than is of use
        upright = _rgb(ImageOps.exif_transpose(picture))
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


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as picture:
            most = Image.MAX_IMAGE_PIXELS or 2**63
            if picture.width * picture.height > most:  # Pillow only warns, up to twice as many
                raise BadPictureError(
                    f"it has {picture.width:,} x {picture.height:,} pixels; expected at most {most:,}"
                )
            if picture.mode not in _MODES:
                raise BadPictureError(f"its mode is {picture.mode!r}; expected one of {', '.join(_MODES)}")
            if getattr(picture, "n_frames", 1) > 1:
                raise BadPictureError(f"it has {picture.n_frames} frames; expected one")  # type: ignore[attr-defined]
            yield picture
    except UnidentifiedImageError as error:
        raise BadPictureError(f"it is no {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file") from error
    except BadPictureError:
        raise
    except _BROKEN as error:
        raise BadPictureError(" ".join(str(error).split()).rstrip(".") or type(error).__name__) from error


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "P", "PA"):
        opaque = picture.convert("RGBA")
        flat = Image.new("RGBA", opaque.size, (*_WHITE, 255))
        return Image.alpha_composite(flat, opaque).convert("RGB")
    profile = picture.info.get("icc_profile")
    if picture.mode == "RGB" and profile:
        try:
            there = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, BytesIO(profile), there, outputMode="RGB")
        except ImageCms.PyCMSError:  # a broken profile says nothing about colours
            converted = None
        return converted or picture
    return picture.convert("RGB")
