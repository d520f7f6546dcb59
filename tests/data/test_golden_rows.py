# SPDX-License-Identifier: Apache-2.0
"""What the embedded model and the shipped results rest on: with default knobs these rows stay as they are."""

import hashlib
import json
from io import BytesIO

import pytest
from PIL import Image

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.spec import DatasetSpec

GOLDEN = {
    "recall_image": "f9a89755afdee370",
    "recall_text": "66e3eb781ceaff72",
    "captions": "717cc171db63e106",
    "qa": "3734872c1bd5e17d",
    "qa_test": "5f3f4b4064072bf0",
    "profiles": "5afcc23cb88f54e7",
    "candidates": "8a6637932f06be77",
}
"""All splits but far ones."""
FAR = {
    "recall_image/far": "12ca0de8af5b6ab6",
    "recall_text/far": "bb341edd443c9ab0",
    "qa_far": "5c9f676c0977bbfc",
    "two_hop_far": "316f98eef4008d3a",
}


def plain(value):
    """JSON types, a stored picture as a digest of its pixels: how a PNG is packed is its library's business."""
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        picture = Image.open(BytesIO(value["bytes"]))
        return [picture.mode, *picture.size, hashlib.sha256(picture.tobytes()).hexdigest()]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def digest_of(config, splits):
    spec, digest = DatasetSpec(num_personas=5), hashlib.sha256()
    for split in splits:
        for row in rows_of(config, split, personas_of(config, split, spec), spec):
            digest.update(json.dumps(plain(row), sort_keys=True).encode())
    return digest.hexdigest()[:16]


@pytest.mark.invariant
@pytest.mark.parametrize("config", GOLDEN)
def test_rows_of_default_knobs_stay_as_they_are(config):
    assert digest_of(config, [split for split in SPLITS[config] if split != "far"]) == GOLDEN[config]


@pytest.mark.invariant
@pytest.mark.parametrize("place", FAR)
def test_far_rows_of_default_knobs_stay_as_they_are(place):
    config, _, split = place.partition("/")
    assert digest_of(config, [split] if split else [one for one in SPLITS[config] if one != "chains"]) == FAR[place]
