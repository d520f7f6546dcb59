# SPDX-License-Identifier: Apache-2.0
"""The digest of rows is one of their contents: of every text, number and pixel, and of nothing else."""

import copy
from io import BytesIO

import pytest
from PIL import Image

from crossmem_hf.data import digest
from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.digest import rows_digest, spec_digest
from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError

FEW = DatasetSpec(num_personas=5, num_views=2)
TEXTS = "acae9841dbc42746"


def made(config="recall_image", split="test", spec=FEW):
    return list(rows_of(config, split, personas_of(config, split, spec), spec))


def png(picture, **options):
    buffer = BytesIO()
    picture.save(buffer, format="PNG", **options)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def fresh():
    digest._split_digest.cache_clear()


@pytest.mark.parametrize("config", SPLITS)
def test_rows_built_twice_have_one_digest(config):
    split = SPLITS[config][-1]
    assert rows_digest(built_rows(config, split, FEW)) == rows_digest(made(config, split))


def test_it_changes_with_any_text_column_pixel_and_order():
    rows, found = made(), set()

    def changed(change):
        mine = copy.deepcopy(rows)
        change(mine)
        found.add(rows_digest(mine))

    def repaint(mine):
        picture = Image.open(BytesIO(mine[3]["images"][0]["bytes"]))
        red, green, blue = picture.getpixel((5, 7))
        picture.putpixel((5, 7), (red, green, blue ^ 1))
        mine[3]["images"][0]["bytes"] = png(picture)

    changes = [
        lambda mine: None,
        lambda mine: mine[0].update(answer="Ada"),
        lambda mine: mine[0]["prompt"][0].update(content="Who?"),
        lambda mine: mine[-1].update(view=9),
        lambda mine: mine[-1].update(view="9"),
        lambda mine: mine[2].pop("template"),
        lambda mine: mine[2].update(images=[]),
        lambda mine: mine.reverse(),
        lambda mine: mine.pop(),
        repaint,
    ]
    for change in changes:
        changed(change)
    assert len(found) == len(changes)


def test_pictures_count_by_what_they_show():
    rows = made()
    others = copy.deepcopy(rows)
    for number, row in enumerate(others):
        picture = Image.open(BytesIO(row["images"][0]["bytes"]))
        stored = {"bytes": png(picture, compress_level=number % 10), "path": f"{number}.png"}
        row["images"] = [picture if number % 3 else stored]
    assert rows_digest(others) == rows_digest(rows)


def test_a_broken_picture_is_an_error():
    with pytest.raises(CrossmemError, match="cannot be shown"):
        rows_digest([{"images": [{"bytes": b"x", "path": None}]}])


@pytest.mark.invariant
def test_spec_digest_is_the_same_everywhere():
    """Records name it: what it says of these texts may not change."""
    assert spec_digest(FEW, ["recall_text", "candidates"]) == TEXTS


def test_far_views_count_where_they_are_named():
    near, far = spec_digest(FEW, ["recall_text"]), spec_digest(FEW, ["recall_text/far"])
    assert len({near, far, spec_digest(FEW, ["recall_text", "recall_text/far"])}) == 3
    assert spec_digest(FEW, ["recall_text/test"]) not in (near, far)
    with pytest.raises(CrossmemError, match="Unknown split 'dev' of config 'recall_text'"):
        spec_digest(FEW, ["recall_text/dev"])


def test_spec_digest_does_not_depend_on_code(monkeypatch):
    before, key = spec_digest(FEW, ["recall_image"]), FEW.fingerprint()
    digest._split_digest.cache_clear()
    monkeypatch.setattr("crossmem_hf.data.spec.code_fingerprint", lambda *_: "other")
    assert FEW.fingerprint() != key
    assert spec_digest(FEW, ["recall_image"]) == before


def test_spec_digest_changes_with_knobs_and_configs():
    specs = [FEW, DatasetSpec(num_personas=5, num_views=2, seed=1), DatasetSpec(num_personas=5, num_views=3)]
    found = {spec_digest(spec, ["recall_text"]) for spec in specs}
    assert len(found | {spec_digest(FEW, ["recall_image"]), spec_digest(FEW, ["recall_text", "recall_image"])}) == 5
    assert spec_digest(FEW, ["recall_image", "recall_text"]) == spec_digest(FEW, ["recall_text", "recall_image"])
    with pytest.raises(CrossmemError, match="Unknown config 'x'"):
        spec_digest(FEW, ["x"])
