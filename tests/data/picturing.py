# SPDX-License-Identifier: Apache-2.0
"""Pictures as cameras, users and attackers make them."""

import struct
import zlib
from io import BytesIO

from PIL import Image

SECRET = b"Elm Street 1313"


def photo(color="teal", size=(60, 40), **options):
    """A JPEG of one color, red in its top left corner, by default lying on its side, with a camera's notes."""
    picture = Image.new("RGB", size, color)
    picture.paste("red", (0, 0, size[0] // 4, size[1] // 4))
    exif = Image.Exif()
    exif[0x0112] = options.pop("orientation", 6)
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    return _saved(picture, "JPEG", exif=exif, comment=SECRET, quality=95, **options)


def painting(color="teal", side=24, kind="PNG", mode="RGB"):
    """A picture of one color without notes."""
    return _saved(Image.new(mode, (side, side), color), kind)


def numbered(number, side=24):
    """Different pictures for different numbers."""
    return painting((number % 256, number // 256 % 256, 90), side)


def bomb(side=40_000):
    """A PNG of 100 bytes that would be so many pixels wide and high."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes(64))) + _chunk(b"IEND", b"")
    )


def film(kind="PNG", colors=("red", "blue")):
    """An animated picture."""
    frames = [Image.new("RGB", (8, 8), color) for color in colors]
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:])


def pages():
    """A scan of two pages."""
    return film("TIFF")


def _chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _saved(picture, kind, **options):
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
