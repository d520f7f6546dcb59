# SPDX-License-Identifier: Apache-2.0
"""Keys of pictures are equal for what looks equal, and for nothing else."""

from io import BytesIO

import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.keys import picture_keys, pictures_key


def shade(level):
    return Pictures.new("RGB", (4, 4), (40 * level, 0, 0))


FIRST, SECOND = shade(1), shade(2)


def test_pictures_key_differs_for_what_looks_different():
    gray = FIRST.convert("L")
    shapes = [Pictures.frombytes("L", shape, bytes(range(16))) for shape in ((2, 8), (8, 2), (4, 4))]
    different = [FIRST, SECOND, gray, *shapes]
    keys = [pictures_key([picture]) for picture in different]
    keys += [pictures_key([FIRST, SECOND]), pictures_key([SECOND, FIRST]), pictures_key([])]
    assert len(set(keys)) == len(keys)
    assert pictures_key([FIRST.copy()]) == pictures_key([FIRST])
    assert pictures_key([gray.convert("RGB")]) == pictures_key([gray])
    stored = BytesIO()
    FIRST.save(stored, "PNG")
    for path in (None, "there"):
        assert pictures_key([{"bytes": stored.getvalue(), "path": path}]) == pictures_key([FIRST])
    with pytest.raises(CrossmemError, match="A picture cannot be shown"):
        pictures_key([{"bytes": b"x", "path": None}])
    with pytest.raises(CrossmemError, match="A picture is a str; expected a PIL image"):
        pictures_key(["picture.png"])


def test_picture_keys_of_a_dataset_are_those_of_its_rows():
    rows = [{"images": [shade(level)] if level else [], "number": 0} for level in (1, 0, 2, 1)]
    data = Dataset.from_list(rows, features=Features({"images": List(Image()), "number": Value("int64")}))
    for keys in (picture_keys(rows), picture_keys(data)):
        assert keys[0] == keys[3] != keys[2]
        assert keys[1] is None
