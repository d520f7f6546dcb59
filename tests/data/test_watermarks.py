# SPDX-License-Identifier: Apache-2.0
"""Anybody's pictures: exactly as many are watermarked as asked for, shared alike by users, and the rest untouched."""

from collections import Counter
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Features, Image, List, Value, load_dataset
from PIL import Image as Pillow

from crossmem_hf.data.watermarks import owners_of, watermarked
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.users import UserRecord, user_lists

NUM_ROWS = 50
OWN = UserRecord(username="Me", user_id="1", age="2", camera="K3", capture_time="4", capture_location="5")


def encoded(shade, kind="JPEG", size=(160, 160)):
    buffer = BytesIO()
    Pillow.new("RGB", size, (shade, 60, 90)).save(buffer, format=kind)
    return {"bytes": buffer.getvalue(), "path": None}


def pictures(count=NUM_ROWS, **how):
    rows = {
        "image": [encoded(shade, **how) for shade in range(count)],
        "label": [number % 2 for number in range(count)],
    }
    return Dataset.from_dict(rows, Features({"image": Image(), "label": Value("int64")}))


def stored(data, column="image"):
    kind = Image(decode=False) if isinstance(data.features[column], Image) else List(Image(decode=False))
    return data.cast_column(column, kind)[column]


@pytest.mark.parametrize(("rate", "count"), [(0, 0), (0.01, 1), (0.1, 5), (0.5, 25), (0.51, 26), (1, 50)])
def test_exactly_as_many_rows_are_watermarked_as_asked_for(rate, count):
    owners = owners_of([()] * NUM_ROWS, rate, 20, seed=0)
    found = Counter(owner for owner in owners if owner is not None)
    assert sum(found.values()) == count
    assert set(found.values()) <= {count // 20, count // 20 + 1}


def test_owners_at_a_rate_are_those_at_larger_ones():
    rates = [owners_of([()] * NUM_ROWS, rate, 20, seed=0) for rate in (0.1, 0.5, 1)]
    for fewer, more in pairwise(rates):
        assert all(one in (None, other) for one, other in zip(fewer, more, strict=True))


def test_owners_are_shared_alike_within_strata():
    strata = [number % 3 for number in range(300)]
    shares = Counter(zip(strata, owners_of(strata, 1, 20, seed=0), strict=True))
    assert set(shares.values()) == {5}


def test_owners_are_others_by_seed_and_name():
    drawn = [owners_of([()] * NUM_ROWS, 1, 20, seed, name) for seed in (0, 1) for name in ("", "test")]
    assert all(drawn.count(one) == 1 for one in drawn)
    assert drawn[0] == owners_of([()] * NUM_ROWS, 1, 20, 0, "")


def test_rows_without_a_record_keep_their_bytes():
    plain = pictures()
    none, half = watermarked(plain, rate=0), watermarked(plain, rate=0.5)
    assert stored(none) == stored(plain)
    assert none["label"] == plain["label"]
    assert set(none["user_id"]) == {None}
    for row, before, after in zip(half, stored(plain), stored(half), strict=True):
        assert (after == before) == (not row["watermarked"]) == (row["user_id"] is None)


def test_only_pixels_under_a_record_change():
    plain = pictures(4)
    for before, after in zip(plain, watermarked(plain, rate=1), strict=True):
        changed = (np.asarray(before["image"]) != np.asarray(after["image"])).any(-1)
        assert 0 < changed.mean() < 0.2
        assert before["label"] == after["label"]


def test_the_other_list_stands_on_the_same_rows():
    lists = {name: watermarked(pictures(), rate=0.5, users=name) for name in ("a", "b")}
    ids = {name: [user.user_id for user in users] for name, users in user_lists().items()}
    assert lists["a"]["watermarked"] == lists["b"]["watermarked"]
    for one, other in zip(lists["a"], lists["b"], strict=True):
        assert (one["list"], other["list"]) == ("a", "b")
        if one["watermarked"]:
            assert ids["a"].index(one["user_id"]) == ids["b"].index(other["user_id"])


def test_calls_are_equal_and_other_seeds_choose_other_places():
    plain = pictures(8)
    again = [stored(watermarked(plain, rate=1, users=[OWN], seed=seed)) for seed in (0, 0, 1)]
    assert again[0] == again[1]
    assert all(one != other for one, other in zip(again[0], again[2], strict=True))


def test_users_may_be_ones_own():
    marked = watermarked(pictures(4), rate=0.5, users=[OWN])
    assert Counter(marked["user_id"]) == {"1": 2, None: 2}
    assert set(marked["list"]) == {"own"}


def test_a_folder_of_pictures_is_watermarked(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(number)["bytes"])
    plain = load_dataset("imagefolder", data_dir=str(tmp_path), split="train")
    marked = watermarked(plain, rate=0.5)
    assert sum(marked["watermarked"]) == 2
    assert {picture.size for picture in marked["image"]} == {(160, 160)}


def test_a_format_of_the_rows_makes_no_difference():
    plain = pictures(4)
    assert stored(watermarked(plain.with_format("numpy"), rate=0.5)) == stored(watermarked(plain, rate=0.5))


def test_each_picture_of_a_row_has_its_own_place():
    rows = Dataset.from_dict({"images": [[encoded(1), encoded(1)]]}, Features({"images": List(Image())}))
    marked = watermarked(rows, "images", rate=1)
    assert marked.features["images"] == List(Image())
    first, second = stored(marked, "images")[0]
    assert first != second != encoded(1)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rate": 1.5}, "rate=1.5"),
        ({"rate": float("nan")}, "rate=nan"),
        ({"rate": True}, "rate=True"),
        ({"rate": 1, "column": "label"}, "expected pictures"),
        ({"rate": 1, "column": "picture"}, "Unknown column 'picture'"),
        ({"rate": 1, "balance": ["lable"]}, "did you mean 'label'"),
        ({"rate": 1, "users": "c"}, "Unknown list of users 'c'"),
        ({"rate": 1, "users": []}, "at least one record"),
    ],
)
def test_what_cannot_be_watermarked_is_refused(how, message):
    with pytest.raises(CrossmemError, match=message):
        watermarked(pictures(2), **how)


def test_rows_that_are_watermarked_already_are_refused():
    with pytest.raises(CrossmemError, match=r"user_id, watermarked, list already"):
        watermarked(watermarked(pictures(2), rate=1), rate=1)


def test_whole_datasets_are_refused():
    with pytest.raises(CrossmemError, match=r"DatasetDict is no datasets\.Dataset"):
        watermarked(DatasetDict(train=pictures(2)), rate=1)


def test_a_row_without_a_picture_is_named():
    rows = Dataset.from_dict({"images": [[encoded(1)], []]}, Features({"images": List(Image())}))
    with pytest.raises(CrossmemError, match="Row 1 has no picture in 'images'"):
        watermarked(rows, "images", rate=0)


def test_a_picture_too_small_is_named_by_its_row():
    with pytest.raises(CrossmemError, match="Row 0: A picture of 64 x 64 pixels"):
        watermarked(pictures(1, size=(64, 64)), rate=1)
    assert watermarked(pictures(1, size=(64, 64)), rate=1, fields=["user_id"])["watermarked"] == [True]
