# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest
from datasets import Dataset

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.subsample import evenly_spaced, stratified_subsample


def many(personas, views, modalities):
    columns = [
        (f"p{person}", modality, view)
        for view in range(views)
        for person in range(personas)
        for modality in modalities
    ]
    return Dataset.from_list(
        [{"persona_id": who, "modality": modality, "view": view} for who, modality, view in columns]
    )


def test_few_rows_are_all_asked():
    rows = many(3, 2, ("image", "text"))
    assert stratified_subsample(rows, 12) is rows


def test_sampled_rows_are_spread_over_modalities_people_and_views():
    rows = many(10, 8, ("image", "text"))
    chosen = stratified_subsample(rows, 60)
    assert len(chosen) == 60
    assert Counter(chosen["modality"]) == {"image": 30, "text": 30}
    assert set(Counter(chosen["persona_id"]).values()) == {6}
    assert len(set(chosen["view"])) == 8
    assert chosen[:] == stratified_subsample(rows, 60)[:]


def test_fewer_rows_than_people_are_of_as_many_people_from_all_over():
    chosen = stratified_subsample(many(100, 3, ("image",)), 10)
    assert list(chosen["persona_id"]) != [f"p{n}" for n in range(10)]
    assert len(set(chosen["persona_id"])) == 10


def test_no_room_for_every_modality():
    with pytest.raises(CrossmemError, match="max_rows=1 is below the 2 modalities"):
        stratified_subsample(many(2, 2, ("image", "text")), 1)


def test_evenly_spaced_rows_come_from_the_whole_length():
    rows = many(10, 1, ("image",))
    assert list(evenly_spaced(rows, 4)["persona_id"]) == ["p0", "p2", "p5", "p7"]
    assert evenly_spaced(rows, None) is evenly_spaced(rows, 99) is rows
