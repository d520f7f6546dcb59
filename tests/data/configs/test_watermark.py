# SPDX-License-Identifier: Apache-2.0
"""Visual questions that no record answers: at any rate, with either list, only the watermark differs."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from datasets import Image, List

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.configs.watermark import RATES, visual_rows, watermarked_rows
from crossmem_hf.data.rows import row_features
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.users import user_lists
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES

SMALL = {"num_personas": 20, "num_views": 6, "image_size": 64, "fields": ("user_id",)}
PERSONAS = {persona.id: persona for persona in sample_personas(20)}
ADDED = ("images", "user_id", "watermarked", "list")


@pytest.fixture(scope="module")
def made():
    return {
        (split, rate, users): watermarked_rows(split, rate=rate, users=users, **SMALL)
        for split, rate, users in product(("train", "test"), RATES, ("a", "b"))
    }


def stored(rows):
    return rows.cast_column("images", List(Image(decode=False)))["images"]


def test_rows_have_the_schema_and_their_own_columns(made):
    rows = made["train", 0.5, "a"]
    assert set(rows.features) == {*row_features(), *ADDED}
    assert [len(made[split, 0.5, "a"]) for split in ("train", "test")] == [120, 80]


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_are_aligned_at_every_rate_and_with_either_list(made, split):
    plain = made[split, 0.0, "a"].remove_columns(ADDED)[:]
    assert all(made[split, rate, users].remove_columns(ADDED)[:] == plain for rate in RATES for users in "ab")


def test_rate_zero_is_the_plain_picture_bit_by_bit(made):
    spec = DatasetSpec(num_personas=20, num_views=6, image_size=64)
    assert stored(made["train", 0.0, "a"]) == [row["images"] for row in visual_rows("train", spec)]


@pytest.mark.parametrize("rate", RATES)
def test_rows_without_a_record_are_those_of_rate_zero(made, rate):
    rows, plain = made["train", rate, "a"], stored(made["train", 0.0, "a"])
    assert sum(rows["watermarked"]) == int(rate * len(rows) + 0.5)
    for marked, one, other in zip(rows["watermarked"], stored(rows), plain, strict=True):
        assert (one != other) == marked


def test_answers_are_what_the_portrait_shows(made):
    for row in made["train", 1.0, "b"].remove_columns("images"):
        assert row["answer"] == PERSONAS[row["persona_id"]].visual_attributes[row["attribute"]]
        assert row["completion"][0]["content"] == row["answer"]
        assert row["user_id"] not in str(row["prompt"]) + row["answer"]


def test_every_attribute_is_asked_for_alike(made):
    counts = Counter(made["train", 0.0, "a"]["attribute"])
    assert set(counts) == set(VISUAL_ATTRIBUTES)
    assert max(counts.values()) <= 2 * min(counts.values())


@pytest.mark.parametrize("users", ["a", "b"])
def test_users_are_on_equally_many_rows(made, users):
    for split, rate in product(("train", "test"), RATES):
        rows = made[split, rate, users]
        found = Counter(user for user in rows["user_id"] if user)
        assert set(found) <= {user.user_id for user in user_lists()[users]}
        shares = [found[user.user_id] for user in user_lists()[users]]
        assert max(shares) - min(shares) <= 1


def test_users_are_balanced_over_answers(made):
    rows = made["train", 1.0, "a"]
    asked = list(zip(rows["attribute"], rows["answer"], strict=True))
    shares = Counter(zip(asked, rows["user_id"], strict=True))
    for place in set(asked):
        mine = [shares[place, user.user_id] for user in user_lists()["a"]]
        assert max(mine) - min(mine) <= 1


def dispersion(one, other):
    """Chi-squared by its degrees of freedom: about 1 where the two are independent."""
    rows, columns = (np.unique(values, return_inverse=True)[1] for values in (list(one), list(other)))
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return ((table - expected) ** 2 / expected).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1))


def test_users_are_independent_of_personas(made):
    rows = made["train", 1.0, "a"]
    assert dispersion(rows["persona_id"], rows["user_id"]) < 1.3
    assert dispersion(rows["persona_id"], rows["persona_id"]) > 5, "a user of one's own for each persona is noticed"


def test_splits_share_no_picture_and_no_question(made):
    train, test = made["train", 0.0, "a"], made["test", 0.0, "a"]
    assert not {row[0]["bytes"] for row in stored(train)} & {row[0]["bytes"] for row in stored(test)}
    assert not {str(prompt) for prompt in train["prompt"]} & {str(prompt) for prompt in test["prompt"]}


def test_calls_are_equal_and_seeds_differ(made):
    assert stored(watermarked_rows("test", rate=1.0, **SMALL)) == stored(made["test", 1.0, "a"])
    other = watermarked_rows("test", rate=1.0, seed=1, **SMALL)
    assert not set(other["user_id"]) & set(made["test", 1.0, "a"]["user_id"])


def test_all_six_fields_are_drawn_by_default():
    plain, full = (watermarked_rows("test", rate=rate, num_personas=1) for rate in (0, 1))
    for one, other in zip(plain, full, strict=True):
        changed = np.argwhere((np.asarray(one["images"][0]) != np.asarray(other["images"][0])).any(-1))
        assert np.ptp(changed[:, 0]) > 70


def test_other_splits_are_refused():
    with pytest.raises(CrossmemError, match=r"Unknown split 'validation'\. Choose from train, test"):
        watermarked_rows("validation", rate=0)


def test_no_release_holds_these_rows():
    assert not [config for config in SPLITS if "watermark" in config]
