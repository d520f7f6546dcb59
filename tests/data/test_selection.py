# SPDX-License-Identifier: Apache-2.0
"""Rows and the people they are about."""

import pytest
from datasets import Dataset

from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.selection import of_personas, personas_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from tests.training import tiny

SPEC = DatasetSpec(num_personas=10, num_views=2)


def test_personas_are_read_in_order():
    assert personas_of(tiny.rows("p2", "p0", views=2)) == ["p2", "p0", "p2", "p0"]


def test_rows_split_by_person_without_loss_and_in_order():
    rows = built_rows("recall_text", "train", SPEC)
    forgotten = frozenset(built_rows("profiles", "forget", SPEC)["persona_id"])
    inside, outside = of_personas(rows, forgotten), of_personas(rows, set(rows["persona_id"]) - forgotten)
    assert set(inside["persona_id"]) == forgotten
    assert len(forgotten) == 2
    assert not forgotten & set(outside["persona_id"])
    assert len(inside) + len(outside) == len(rows)
    assert inside["prompt"] == [row["prompt"] for row in rows if row["persona_id"] in forgotten]


def test_one_person_in_two_spellings_is_one():
    names = ["Jos\u00e9", "Jose\u0301", "Jose"]
    rows = Dataset.from_dict({"persona_id": names})
    assert personas_of(rows) == ["Jos\u00e9", "Jos\u00e9", "Jose"]
    assert len(of_personas(rows, {"Jose\u0301"})) == 2


def test_a_row_about_nobody_is_named():
    rows = tiny.rows("p0", "p1")
    rows = Dataset.from_list([rows[0], {**rows[1], "persona_id": None}], features=rows.features)
    with pytest.raises(CrossmemError, match="Row 1 has no persona_id"):
        personas_of(rows)
