# SPDX-License-Identifier: Apache-2.0
"""Pictures of every mode as files, and what is seen of them."""

import struct
import zlib
from io import BytesIO

import datasets
import numpy as np

from crossmem_hf.pictures.reading import as_seen

GRAYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLORS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
ALPHAS = np.random.default_rng(1).integers(0, 256, (6, 4), dtype=np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65536, (6, 4), dtype=np.uint16)


def file(picture, kind="PNG", **options):
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(pixels, depth, color, *chunks):
    """A PNG of big-endian numbers, for what Pillow does not write."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    width = pixels.shape[1] // (3 if color == 2 else 1)
    head = struct.pack(">IIBBBBB", width, pixels.shape[0], depth, color, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def shown(picture):
    """The pixels, the same for a file, for a file as `datasets` decodes it, and for what was already seen once."""
    seen = as_seen(picture)
    assert seen.mode == "RGB"
    if isinstance(picture, bytes):
        decoded = datasets.Image().decode_example({"bytes": picture, "path": None})
        assert np.array_equal(as_seen(decoded), seen)
        assert np.array_equal(as_seen({"bytes": picture, "path": "there"}), seen)
    assert np.array_equal(as_seen(seen), seen)
    return np.asarray(seen)


def gray(values):
    return np.stack([values] * 3, -1)


def on_white(colors, alphas):
    alphas = alphas[..., None] / 255
    return np.rint(colors * alphas + 255 * (1 - alphas)).astype(np.uint8)
