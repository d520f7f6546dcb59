# SPDX-License-Identifier: Apache-2.0
"""The picture that a person sees in a file: upright, in sRGB, on a white page, 8 bits a channel.

Whatever shows a picture to a model, compares pictures or writes them anew goes through `as_seen`. It does not know
whose picture it is, nor what is done with it. The rules, which docs/importing.md tells users:

- The orientation that the camera noted is applied.
- What is see-through (an alpha channel, alphas of a palette, a color that is declared transparent) shows white.
- Colors are brought to sRGB from the embedded profile. One that is broken, or made for another kind of pixels than
  the file's, is ignored, as browsers do. Without a profile RGB and gray are sRGB, CMYK is plain ink, Lab is D50.
- 16-bit grays are divided by 257 and rounded; a TIFF of fewer bits by its own white. Of 16-bit colors Pillow keeps
  the upper byte. Floating-point and 32-bit pixels have no white that could be known, and are refused.
- Of several pictures in a file the one that it opens with is shown: the first frame of an animation, the main picture
  of a phone's JPEG or HEIC. Reduced copies and masks in a TIFF are no pages; several pages are refused.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.colors import MODES, on_white_page

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm"}
)
"""How the names of pictures end; what a file is, its contents say."""
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "DIB", "HEIF")
"""Nothing else: Pillow would also hand files to other programs, such as PostScript to Ghostscript."""
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
# What Pillow's decoders raise on files that are damaged, cut off or made to do harm.
_BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError, struct.error),
    *(zlib.error, RuntimeError, Image.DecompressionBombError),
)
_ORIENTATION, _SUBFILE, _OLD_SUBFILE, _SUB_IFDS, _DNG = 274, 254, 255, 330, 50706
_REDUCED_OR_MASK = 0b101  # bits of _SUBFILE
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_REMEDY = "Save it as an 8-bit PNG or JPEG, or leave it out."


class BadPictureError(CrossmemError):
    """A picture that cannot be shown.

    Args:
        reason: Why, as the end of a sentence.
        what: What to call it.
    """

    def __init__(self, reason: str, what: str = "A picture") -> None:
        super().__init__(f"{what} cannot be shown: {reason}.", _REMEDY)
        self.reason, self.what = reason, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.what)


def as_seen(picture: Any, what: str = "A picture") -> Image.Image:
    """The picture that a person sees, mode RGB; by the rules above.

    A picture that is so already is given back as it is, and any without profile, transparency and orientation has the
    pixels of Pillow's own ``convert("RGB")``.

    Args:
        picture: A PIL image (of several frames the one at which it stands), the bytes of a file, its path, or both as
            `datasets` keeps undecoded pictures: ``{"bytes": ..., "path": ...}``.
        what: What an error calls it.

    Raises:
        BadPictureError: It cannot be shown; the reason is told.
        CrossmemError: It is none of these.

    Example:
        >>> as_seen(Image.new("LA", (2, 2), (0, 51))).getpixel((0, 0))
        (204, 204, 204)
    """
    with _named(what):
        if isinstance(picture, Image.Image):
            return _seen(picture)
        with opened(picture, what) as file:
            return _seen(file).copy()  # without the file, which is about to be closed


def check_pictures(pictures: Iterable[Any], what: str = "A picture") -> None:
    """Look at the heads of pictures that `as_seen` is to show; pixels are not read.

    Args:
        pictures: As `as_seen` takes them.
        what: What an error calls one.

    Raises:
        CrossmemError: As for `as_seen`, but for pixels that turn out broken.
    """
    for picture in pictures:
        with (
            _named(what),
            nullcontext(picture) if isinstance(picture, Image.Image) else opened(picture, what) as file,
        ):
            _check(file)


@contextmanager
def opened(source: Any, what: str = "A picture") -> Iterator[Image.Image]:
    """A picture of a file, not decoded yet; whatever goes wrong inside for the file's sake is a `BadPictureError`.

    Args:
        source: As for `as_seen`, but no image.
        what: What an error calls it.

    Raises:
        BadPictureError: No picture of a known format, one that `as_seen` would refuse, or more pixels than Pillow
            takes for harmless (89 million).
        CrossmemError: It is no file.
    """
    file = _file_of(source, what)
    with _named(what):
        try:
            opening = Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=_formats())
        except UnidentifiedImageError as error:
            raise BadPictureError(_unknown(file)) from error
        with opening as picture:
            max_pixels = Image.MAX_IMAGE_PIXELS or 2**63
            if picture.width * picture.height > max_pixels:  # Pillow only warns, up to twice as many
                raise BadPictureError(
                    f"it has {picture.width:,} x {picture.height:,} pixels; expected at most {max_pixels:,}"
                )
            _check(picture)
            yield picture


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except BadPictureError as error:
        raise (error if error.what == what else BadPictureError(error.reason, what)) from error.__cause__
    except CrossmemError:
        raise
    except _BROKEN as error:
        raise BadPictureError(" ".join(str(error).split()).rstrip(".") or type(error).__name__, what) from error


def is_picture(path: Path) -> bool:
    """Whether a file says by its name that it is a picture, be it a broken one, or can be shown, whatever its name."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with opened(path):
            return True
    except BadPictureError:
        return path.is_file() and _is_heic(_head(path))


def why_unreadable(picture: Image.Image) -> str:
    """What else a file holds that `as_seen` does not show, in words; empty if there is nothing.

    Example:
        >>> why_unreadable(Image.new("L", (2, 2)))
        ''
    """
    count = 1 if picture.format == "TIFF" else getattr(picture, "n_frames", 1)  # smaller copies are no loss
    if count < 2:
        return ""
    moves = picture.format in ("GIF", "WEBP", "PNG", "AVIF") or "duration" in picture.info
    return f"the first of {count} frames" if moves else f"the main one of {count} pictures"


def _file_of(source: Any, what: str) -> bytes | str | os.PathLike[str]:
    if isinstance(source, Mapping) and (source.get("bytes") or source.get("path")):
        source = source.get("bytes") or Path(source["path"])
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, os.PathLike):
        return source
    raise CrossmemError(
        f"{what} is a {type(source).__name__}; expected a PIL image.", "Cast the images column to Image()."
    )


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """The formats that this Pillow knows; HEIC is a plugin's, from the extra ``heic``."""
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    except ImportError:
        pass
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _unknown(file: Any) -> str:
    head = file[:32] if isinstance(file, bytes) else _head(Path(file))
    if not head:
        return "it is empty, so it is no JPEG, PNG or other picture"
    if _is_heic(head):
        if "HEIF" in _formats():
            return "it is a HEIC picture that is damaged or cut off"
        return "it is a HEIC picture, which needs the extra heic: pip install pillow-heif, or save it as JPEG"
    known = [name for name in _formats() if name != "DIB"]
    return f"it is no {', '.join(known[:-1])} or {known[-1]} file (Pillow: cannot identify image file)"


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(32)


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


def _check(picture: Image.Image) -> None:
    if reason := _refusal(picture):
        raise BadPictureError(reason)


def _refusal(picture: Image.Image) -> str:
    """Why a picture cannot be shown, as far as its head tells; empty if it can."""
    if picture.mode == "F":
        return "its pixels are floating-point numbers (mode 'F'), of which nothing says what is white"
    if picture.mode == "I" and picture.format not in ("PNG", "PPM"):  # whose integers have 16 bits
        return "its pixels are 32-bit integers (mode 'I'), of which nothing says what is white"
    if picture.mode not in MODES:
        return f"its mode is {picture.mode!r}; expected one of {', '.join(MODES)}"
    if picture.format == "PNG" and _coarse_key(picture):
        return "it declares a color transparent that is not one of 8 bits a channel"
    if picture.format == "TIFF":
        if len(_pages(picture)) > 1:
            return f"it has {len(_pages(picture))} pages; expected one"
        tags = getattr(picture, "tag_v2", {})
        if _DNG in tags or (tags.get(_SUBFILE, 0) & 1 and _SUB_IFDS in tags):
            return "it is a camera's raw file, of which only a preview could be shown"
    return ""


def _coarse_key(picture: Image.Image) -> bool:
    """Whether a transparent color is told in other numbers than the pixels, which Pillow has brought to 8 bits."""
    key = picture.info.get("transparency")
    if isinstance(key, tuple):
        return max(key) > 255 or any("16" in str(tile.args) for tile in picture.tile)  # type: ignore[attr-defined]
    depths = ("L;2", "L;4")
    return isinstance(key, int) and any(tile.args in depths for tile in getattr(picture, "tile", ()))


def _pages(picture: Image.Image) -> list[int]:
    """The frames of a TIFF that are pages; if it was turned to a later one, that one."""
    here = picture.tell()
    if here or not getattr(picture, "is_animated", False):
        return [here]
    pages, frames = [], int(picture.n_frames)  # type: ignore[attr-defined]
    for frame in range(frames):
        picture.seek(frame)
        tags = picture.tag_v2  # type: ignore[attr-defined]
        if not tags.get(_SUBFILE, 0) & _REDUCED_OR_MASK and tags.get(_OLD_SUBFILE, 1) != 2:
            pages.append(frame)
    picture.seek(here)
    return pages or list(range(frames))


def _seen(picture: Image.Image) -> Image.Image:
    _check(picture)
    if picture.format == "TIFF" and (page := _pages(picture)[0]) != picture.tell():
        picture.seek(page)
    picture.load()
    turn = _turn(picture)
    if turn is None and picture.mode == "RGB" and not {"icc_profile", "transparency"} & set(picture.info):
        return picture
    shown = on_white_page(picture)
    return shown if turn is None else shown.transpose(turn)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(picture.getexif().get(_ORIENTATION, 1))  # a TIFF is turned when it is read, and forgets it
    except _BROKEN:  # notes that cannot be read turn nothing
        return None
