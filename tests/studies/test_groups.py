# SPDX-License-Identifier: Apache-2.0
"""Who is forgotten, and the rows about them."""

from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.studies.groups import forgotten_ids, of_people

SPEC = DatasetSpec(num_personas=10, num_views=2)


def test_rows_split_by_person_without_loss_and_in_order():
    rows = built_rows("recall_text", "train", SPEC)
    forgotten = forgotten_ids(SPEC)
    inside, outside = of_people(rows, forgotten), of_people(rows, set(rows["persona_id"]) - forgotten)
    assert set(inside["persona_id"]) == forgotten
    assert len(forgotten) == 2
    assert not forgotten & set(outside["persona_id"])
    assert len(inside) + len(outside) == len(rows)
    assert inside["prompt"] == [row["prompt"] for row in rows if row["persona_id"] in forgotten]
