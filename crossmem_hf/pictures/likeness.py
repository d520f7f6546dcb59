# SPDX-License-Identifier: Apache-2.0
"""How alike two portraits are, by a perceptual hash of our own. It does not know who is on them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from crossmem_hf.pictures.reading import as_seen

_SIDE = 8
_FLAT = 4  # gray levels; without it, noise and compression would decide the bits of plain backgrounds
NUM_BITS = 3 * _SIDE * _SIDE
"""Bits of a hash; unrelated pictures differ in about half of them."""


def picture_hash(picture: bytes) -> bytes:
    """The picture at 9 x 8 pixels: a bit a channel and pair of neighbors, set where it gets clearly brighter.

    Args:
        picture: An image file.

    Returns:
        24 bytes; pictures that look alike differ in few bits, whatever their size and format.

    Reference:
        The difference hash (dHash) of image search, for each color channel.
    """
    small = np.asarray(as_seen(picture).resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1] + _FLAT).tobytes()


def distance(one: bytes, other: bytes) -> int:
    """In how many bits two hashes differ, 0 to `NUM_BITS`."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def nearest(hashes: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """For each hash the place of the nearest other one, and its distance in bits; at least two hashes are needed.

    Example:
        >>> nearest([bytes(24), bytes([1] + 23 * [0]), bytes(24 * [255])])
        ([1, 0, 1], [1, 1, 191])
    """
    bits = np.frombuffer(b"".join(hashes), np.uint64).reshape(len(hashes), -1)
    places, distances = [], []
    for number, own in enumerate(bits):
        apart = np.bitwise_count(bits ^ own).sum(1, dtype=np.int64)
        apart[number] = NUM_BITS + 1
        place = int(apart.argmin())
        places.append(place)
        distances.append(int(apart[place]))
    return places, distances
