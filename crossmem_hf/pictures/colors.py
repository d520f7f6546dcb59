# SPDX-License-Identifier: Apache-2.0
"""From the pixels of a picture, whatever their mode, to RGB: 8 bits, sRGB, on a white page. It knows no files."""

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
# Mode -> the mode of 8 bits with the same colors, its alpha apart from them.
_EIGHT: dict[str, str] = {mode: mode for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB")}
_EIGHT |= {"1": "L", "La": "LA", "P": "RGBA", "PA": "RGBA", "RGBa": "RGBA"}
_EIGHT |= {"RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}
MODES = (*_EIGHT, *_SIXTEEN, "I")
"""What can be shown. Numbers of the mode I are taken for 16 bits; whoever calls knows that they are."""
_BITS, _PHOTOMETRIC = 258, 262  # tags of a TIFF
_WHITE = (255, 255, 255)


def on_white_page(picture: Image.Image) -> Image.Image:
    """A new picture, mode RGB, with nothing but pixels: neither profile nor notes are left.

    Args:
        picture: In one of `MODES`, loaded; its ``info`` may hold a profile and a transparent color.

    Example:
        >>> on_white_page(Image.new("LA", (2, 2), (0, 51))).getpixel((0, 0))
        (204, 204, 204)
    """
    seen = _in_srgb(_in_eight_bits(picture), picture.info.get("icc_profile"))
    if seen.mode == "RGBA":
        page = Image.new("RGBA", seen.size, (*_WHITE, 255))
        seen = Image.alpha_composite(page, seen).convert("RGB")
    seen = seen.copy()
    seen.info = {}
    return seen


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """The same colors in one of the modes L, LA, RGB, RGBA, CMYK and LAB."""
    key = picture.info.get("transparency")
    if picture.mode in (*_SIXTEEN, "I"):
        return _halved(picture, key)
    if key is not None and picture.mode in ("1", "L", "RGB"):
        return picture.convert("RGBA" if picture.mode == "RGB" else "LA")
    mode = _EIGHT[picture.mode]
    return picture.copy().convert(mode) if mode != picture.mode else picture  # a palette takes alphas when it is read


def _halved(picture: Image.Image, key: Any) -> Image.Image:
    """Grays of 16 bits as 8."""
    tags = getattr(picture, "tag_v2", {}) if picture.format == "TIFF" else {}
    white = 2 ** int(tags.get(_BITS, (16,))[0]) - 1
    deep = np.asarray(picture).astype(np.int64)
    shown = np.clip(white - deep if tags.get(_PHOTOMETRIC) == 0 else deep, 0, white)  # 0: TIFF counts from white
    gray = Image.fromarray(((shown * 510 + white) // (2 * white)).astype(np.uint8))
    if key is not None:
        gray.putalpha(Image.fromarray(np.where(deep == key, 0, 255).astype(np.uint8)))
    return gray


def _in_srgb(picture: Image.Image, profile: Any) -> Image.Image:
    """RGB or RGBA, by the embedded profile where it says what this picture's numbers mean."""
    bare = {"LA": "L", "RGBA": "RGB"}.get(picture.mode, picture.mode)
    alpha = picture.getchannel("A") if bare != picture.mode else None
    colors = picture.convert(bare) if alpha is not None else picture
    transform = _to_srgb(profile, bare) if isinstance(profile, bytes) else None
    if transform is None and bare == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
    shown = colors.convert("RGB") if transform is None else ImageCms.applyTransform(colors, transform)
    assert shown is not None  # it is new, since none of these transforms is done in place
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> Any:
    """What brings pixels of a mode to sRGB; None for a profile that is broken or for other pixels."""
    if profile[16:20] != _SPACES[mode]:
        return None
    try:
        return ImageCms.buildTransform(ImageCms.ImageCmsProfile(BytesIO(profile)), _srgb(), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")
