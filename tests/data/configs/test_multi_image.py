# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest

from crossmem_hf.data.configs.multi_image import multi_image_rows, same_person_row
from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.rows import recall_row
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.personas.sampling import sample_personas


@pytest.fixture(scope="module")
def made(spec):
    personas = personas_of("multi_image", "train", spec)
    return {split: list(rows_of("multi_image", split, personas, spec)) for split in ("train", "test")}


def pictures(row):
    return [picture["bytes"] for picture in row["images"]]


def test_every_row_shows_two_different_pictures(made):
    for rows in made.values():
        for row in rows:
            assert set(row) == set(features_of("multi_image"))
            assert row["modality"] == "image"
            assert len(set(pictures(row))) == 2


def test_names_are_asked_of_two_views_of_one_person(made, spec):
    personas = {person.id: person for person in personas_of("multi_image", "train", spec)}
    for split, count in (("train", spec.num_views), ("test", NUM_HELD_OUT_VIEWS)):
        named = [row for row in made[split] if row["attribute"] == "full_name"]
        assert Counter(row["persona_id"] for row in named) == dict.fromkeys(personas, count)
        for row in named:
            person = personas[row["persona_id"]]
            assert row["answer"] == person.full_name
            single = recall_row(person, "image", split, row["view"], spec.image_size)
            assert pictures(row)[0] == pictures(single)[0]
            assert not any(word in row["prompt"][0]["content"] for word in person.full_name.split())


def test_every_second_comparison_shows_somebody_else(made, spec):
    owner = {
        pictures(recall_row(person, "image", split, view, spec.image_size))[0]: person.id
        for person in personas_of("multi_image", "train", spec)
        for split, count in (("train", spec.num_views), ("test", NUM_HELD_OUT_VIEWS))
        for view in range(count)
    }
    for rows in made.values():
        compared = [row for row in rows if row["attribute"] == "same_person"]
        assert Counter(row["answer"] for row in compared) == {"Yes.": len(compared) / 2, "No.": len(compared) / 2}
        for row in compared:
            shown = {owner[picture] for picture in pictures(row)}
            assert row["persona_id"] in shown
            assert (len(shown) == 1) == (row["answer"] == "Yes.")
            assert row["hops"] == 0


def test_a_forget_set_of_even_size_shows_nobody_retained():
    spec = DatasetSpec(num_personas=20, num_views=1, image_size=48)
    forgotten = personas_of("qa", "forget", spec)
    own = {
        picture
        for person in forgotten
        for view in range(2)
        for picture in pictures(recall_row(person, "image", "train", view, 48))
    }
    shown = {picture for row in multi_image_rows("train", forgotten, spec) for picture in pictures(row)}
    assert shown <= own


def test_training_and_test_share_no_picture(made):
    seen = [{picture for row in made[split] for picture in pictures(row)} for split in ("train", "test")]
    assert not seen[0] & seen[1]


def test_one_view_is_shown_beside_another_and_one_person_beside_nobody():
    spec = DatasetSpec(num_personas=1, num_views=1, image_size=48)
    rows = list(multi_image_rows("train", list(sample_personas(1)), spec))
    assert [row["answer"] for row in rows if row["attribute"] == "same_person"] == ["Yes."]
    assert all(len(set(pictures(row))) == 2 for row in rows)


def test_a_mixed_pair_is_told_by_its_template():
    one, other = sample_personas(2)
    assert same_person_row((one, other), "test", (0, 1))["template"] == "test-two-mixed"
    assert same_person_row((one, one), "test", (0, 1))["template"] == "test-two-same"
