# SPDX-License-Identifier: Apache-2.0
"""Several pictures at once are those of the person who is asked about, and of nobody else."""

import pytest
from datasets import Dataset

from crossmem_hf.analysis.attacks.several_pictures import several_pictures
from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)
from tests.training import tiny

FEW = {"num_personas": 2, "num_views": 1, "image_size": 48}


def evaluator(config="recall_image"):
    return Evaluator(load_rows(None, config, "test", **FEW), metrics=["recall"], max_new_tokens=3)


def asking(rows):
    return Evaluator(
        Dataset.from_list(rows, features=features_of("recall_image")), metrics=["recall"], max_new_tokens=3
    )


def test_the_pictures_are_different_ones_of_the_same_person(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    own = evaluator()
    found = several_pictures(own, None, None, num_pictures=(2, 3))
    assert {one["num_samples"] for one in found} == {3}
    by_name = {}
    for row in own.rows:
        by_name.setdefault(row["answer"], []).append(row["images"][0].tobytes())
    for place, row in enumerate(asked[: 2 * len(own.rows)]):
        pictures = [picture.tobytes() for picture in row["images"]]
        assert len({*pictures}) == len(pictures) == (2 if place < len(own.rows) else 3)
        assert {*pictures} <= {*by_name[row["answer"]]}
        assert pictures[0] == own.rows[place % len(own.rows)]["images"][0].tobytes()


def test_a_model_that_needs_two_pictures_is_found(answering):  # noqa: F811
    answering(lambda _, truth, pictures: truth if len(pictures) == 2 else "no")
    assert {tuple(one["said_in"]) for one in several_pictures(evaluator(), None, None)} == {("2 pictures",)}


def test_whoever_knows_nothing_is_not_accused(answering):  # noqa: F811
    answering(lambda *_: "no")
    assert not any(one["extracted"] for one in several_pictures(evaluator(), None, None))


def test_a_picture_that_is_there_twice_counts_once(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    rows = [tiny.row("p0"), tiny.row("p0"), tiny.row("p0", view=1), tiny.row("p1")]
    rows[0]["prompt"] = [{"role": "user", "content": "<image> Who is this?"}]
    found = several_pictures(asking(rows), None, None, num_pictures=(2,))
    assert [one["num_samples"] for one in found] == [2, 2, 2, 1]
    for row in asked[:3]:
        assert len({picture.tobytes() for picture in row["images"]}) == len(row["images"]) == 2
    assert asked[0]["prompt"][-1]["content"].count("<image>") == 2


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        ("recall_image", {"num_pictures": (1,)}, r"num_pictures=\(1,\); expected numbers from 2"),
        ("recall_image", {"num_pictures": (9,)}, r"None of the ways \(9 pictures\)"),
        ("recall_text", {}, r"None of the ways \(2 pictures, 4 pictures\)"),
    ],
)
def test_what_cannot_be_shown_is_refused(config, options, said, answering):  # noqa: F811
    answering(lambda *_: "no")
    with pytest.raises(CrossmemError, match=said):
        several_pictures(evaluator(config), None, None, **options)
