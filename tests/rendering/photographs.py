# SPDX-License-Identifier: Apache-2.0
"""Real photographs of faces that come with packages, and what can be done to one without changing who it shows.

Eileen Collins (NASA, public domain) with scikit-image, Grace Hopper (US Navy, public domain) with matplotlib.
"""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps


def collins():
    """The whole photograph, 512 x 512; the test that asks is skipped where scikit-image is not installed."""
    return _opened("skimage", "data/astronaut.png", "scikit-image")


def hopper():
    """The whole photograph, 512 x 600."""
    return _opened("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "matplotlib")


def collins_face(margin=40):
    """The face, 87 pixels wide, with that many pixels around it."""
    return collins().crop((179 - margin, 83 - margin, 266 + margin, 170 + margin))


def hopper_face(margin=100):
    return hopper().crop((161 - margin, 137 - margin, 377 + margin, 353 + margin))


def ways(face):
    """What is done -> the photograph of a face after it: light, color, pose, size, compression."""
    made = {"mirrored": ImageOps.mirror(face), "gray": face.convert("L"), "alpha": face.convert("RGBA")}
    made |= {f"brightness {by}": ImageEnhance.Brightness(face).enhance(by) for by in (0.3, 0.6, 1.4)}
    made |= {f"contrast {by}": ImageEnhance.Contrast(face).enhance(by) for by in (0.4, 1.5)}
    made |= {f"turned {by}": face.rotate(by, Image.Resampling.BICUBIC, fillcolor=(120,) * 3) for by in (-20, 20)}
    made |= {f"{side} pixels": face.resize((side, side), Image.Resampling.LANCZOS) for side in (64, 96, 1800)}
    return made | {f"JPEG {quality}": _compressed(face, quality) for quality in (30, 90)}


def _compressed(image, quality):
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return Image.open(BytesIO(buffer.getvalue()))


def _opened(package, name, called):
    found = find_spec(package)
    path = Path(found.submodule_search_locations[0], name) if found else None
    if path is None or not path.is_file():
        pytest.skip(f"{called} is not installed, or without {name}")
    with Image.open(path) as image:
        return image.convert("RGB")
