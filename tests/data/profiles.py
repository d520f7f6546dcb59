# SPDX-License-Identifier: Apache-2.0
"""Color profiles made by hand, each so strange that whoever ignores it is seen."""

import struct

from PIL import ImageCms


def swapped():
    """RGB whose red is sRGB's blue, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def linear_gray():
    """Gray whose numbers are light itself, as cameras count it."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(4) + struct.pack(">I", 0)})


def black_cyan():
    """CMYK of which cyan alone is black, and no other ink is anything."""
    corners = b"".join(bytes([0 if corner & 8 else 255, 128, 128]) for corner in range(16))  # Lab, cyan varies slowest
    one = struct.pack(">i", 65536)
    matrix = b"".join(one if place in (0, 4, 8) else bytes(4) for place in range(9))
    same = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + same * 4 + corners + same * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, kind=b"prtr")


def _profile(space, connection, tags, kind=b"mntr"):
    d50 = b"".join(struct.pack(">i", round(part * 65536)) for part in (0.9642, 1.0, 0.8249))
    tags = {b"wtpt": b"XYZ " + bytes(4) + d50, **tags}
    body, listing, start = b"", struct.pack(">I", len(tags)), 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        listing += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I", start + len(body)) + bytes(4) + struct.pack(">I", 0x02100000) + kind + space + connection
    head += bytes(12) + b"acsp" + bytes(28) + d50
    return head.ljust(128, b"\0") + listing + body
