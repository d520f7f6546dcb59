# SPDX-License-Identifier: Apache-2.0
"""Lines of text over a picture, half see-through. It does not know whose lines they are, nor what the picture shows.

The font is Aileron Regular, which Pillow brings along (``ImageFont.load_default``). Its size depends on the picture
alone, never on the text, so that no two records differ in how large they are written.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, floor
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from crossmem_hf.errors import CrossmemError
from crossmem_hf.seeding import rng_for

INK: Final = (255, 255, 255)
OPACITY: Final = 128 / 255
"""Share of the ink where a letter covers a pixel whole."""
SMALLEST_FONT: Final = 8
"""Pixels; below that, digits run together."""

_FONTS_A_SIDE = 20  # the shorter side of a picture holds so many font sizes


def with_watermark(
    picture: Image.Image, lines: Sequence[str], place: tuple[float, float], *, opacity: float = OPACITY
) -> Image.Image:
    """A copy of the picture with white lines of text over it; pixels outside of `watermark_box` are the picture's.

    A pixel that a letter covers by the share c becomes ``(1 - c * opacity) * pixel + c * opacity * 255``, a channel,
    to the nearest whole number or the one beside it: white pixels stay white.

    Args:
        picture: Mode RGB, of any size that the lines fit into.
        place: Where the text stands, as shares of the free width and height: (0, 0) is top left, below (1, 1).
        opacity: 0 leaves the picture as it is, 1 writes in solid white.

    Raises:
        CrossmemError: Another mode, lines that do not fit or are empty, a place or an opacity out of range, or a
            Pillow that was built without FreeType.

    Reference:
        Ju et al., "Watch Out Your Album!" (arXiv 2503.01208): white, alpha 128, a random place. Theirs is 10 pixels
        high on every picture, so that a model's image processor may shrink it to nothing; here it grows with the
        picture, by a twentieth of the shorter side. Edges of theirs darken before they brighten; ours only brighten.

    Example:
        >>> gray = Image.new("RGB", (224, 224), (55, 55, 55))
        >>> with_watermark(gray, ["username: Nobody"], (0.5, 0.5)).getextrema()[0]
        (55, 155)
    """
    if picture.mode != "RGB":
        raise CrossmemError(f"A picture of mode {picture.mode!r}; expected 'RGB'.", "Pass picture.convert('RGB').")
    if not 0 <= opacity <= 1:
        raise CrossmemError(f"opacity={opacity!r}; expected a share from 0 to 1.", "Pass 0.5 for half see-through.")
    box = watermark_box(picture.size, lines, place)
    letters = _letters(tuple(lines), font_size(picture.size))
    marked = picture.copy()
    marked.paste(INK, box, letters.point([round(covered * opacity) for covered in range(256)]))
    return marked


def watermark_box(
    size: tuple[int, int], lines: Sequence[str], place: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels, the latter two excluded, of all that `with_watermark` may change.

    Args:
        size: Width and height of the picture.

    Raises:
        CrossmemError: As for `with_watermark`.

    Example:
        >>> watermark_box((224, 224), ["user_id"], (0, 0))[:2]
        (0, 0)
    """
    if not all(0 <= share < 1 for share in place):
        raise CrossmemError(f"place={place!r}; expected two shares from 0 to below 1.", "Draw it with place_for.")
    width, height = _letters(tuple(lines), font_size(size)).size
    if width > size[0] or height > size[1]:
        raise CrossmemError(
            f"A picture of {size[0]} x {size[1]} pixels; {len(lines)} legible line(s) take {width} x {height}.",
            "Use larger pictures, or fewer fields of the record: a user_id alone fits into 64 x 64.",
        )
    left, top = floor(place[0] * (size[0] - width + 1)), floor(place[1] * (size[1] - height + 1))
    return left, top, left + width, top + height


def place_for(seed: int, *names: str | int) -> tuple[float, float]:
    """A uniformly random place, the same for equal names.

    Example:
        >>> place_for(0, "row", 3) == place_for(0, "row", 3), place_for(0, "row", 3) == place_for(0, "row", 4)
        (True, False)
    """
    rng = rng_for(seed, "watermark-place", *names)
    return rng.random(), rng.random()


def font_size(size: tuple[int, int]) -> int:
    """Of the text on a picture of some width and height, in pixels.

    Example:
        >>> font_size((640, 480)), font_size((224, 224)), font_size((64, 64))
        (24, 11, 8)
    """
    return max(SMALLEST_FONT, min(size) // _FONTS_A_SIDE)


@lru_cache(maxsize=256)  # few users, on many pictures of one size
def _letters(lines: tuple[str, ...], font_pixels: int) -> Image.Image:
    """How much of each pixel the letters cover, 0 to 255, cropped to the text."""
    text, font = "\n".join(lines), _font(font_pixels)
    measuring = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = measuring.multiline_textbbox((0, 0), text, font=font)
    if right <= left or bottom <= top:
        raise CrossmemError(f"Lines {list(lines)!r} show nothing; expected some text.", "Pass at least one letter.")
    letters = Image.new("L", (ceil(right) - floor(left), ceil(bottom) - floor(top)))
    ImageDraw.Draw(letters).multiline_text((-floor(left), -floor(top)), text, fill=255, font=font)
    return letters


@lru_cache(maxsize=16)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(pixels)
    except ImportError as error:
        raise CrossmemError(
            "This Pillow was built without FreeType, so its font cannot be drawn.", "Install Pillow as a wheel."
        ) from error
