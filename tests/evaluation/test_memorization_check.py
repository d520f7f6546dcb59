# SPDX-License-Identifier: Apache-2.0
import logging

import pytest
import torch
from datasets import Dataset

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import passes
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.memorization_check import check_memorized
from tests.training import tiny


@pytest.fixture
def knows(monkeypatch):
    """A stand-in for a model: it knows these people through these modalities."""

    def set_to(*known):
        def answers(model, processor, rows, **options):
            return [row["answer"] if (row["persona_id"], row["modality"]) in known else "nobody" for row in rows]

        monkeypatch.setattr(passes, "generate_answers", answers)

    return set_to


def check(rows, **choices):
    return check_memorized(tiny.model(), tiny.processor(), rows, **choices)


ROWS = tiny.rows("p0", "p1", modality="mixed", views=4)
BY_PORTRAIT = ("p0", "image")


def test_one_modality_that_is_known_is_enough(knows):
    rows = tiny.rows("p0", modality="image", views=3)
    rows = Dataset.from_list([*rows, *tiny.rows("p0", modality="text", views=2)], features=rows.features)
    knows(BY_PORTRAIT)
    assert check(rows) == {"image": 1.0, "text": 0.0}


def test_a_failure_says_what_was_measured_and_what_to_do(knows):
    rows = tiny.rows("p0", "p1", modality="image", views=2)
    knows(BY_PORTRAIT)
    with pytest.raises(CrossmemError) as failed:
        check(rows, min_recall=0.75)
    said = str(failed.value)
    for part in ("image 0.50 (n=4)", "at least 0.75", "recipes/sft.py", "min_memorization", "allow_unmemorized"):
        assert part in said
    assert check(rows, min_recall=0.5) == {"image": 0.5}


def test_overridden_it_warns(knows, caplog):
    knows()
    with caplog.at_level(logging.WARNING):
        assert check(ROWS, allow=True) == {"image": 0.0, "text": 0.0}
    assert "not memorized" in caplog.text


def test_a_real_model_is_asked_and_given_back_in_its_mode():
    model = tiny.memorized().train()
    with pytest.raises(CrossmemError, match=r"recall image 0\.00 \(n=2\)"):
        check_memorized(model, tiny.processor(), tiny.rows("p0", "p1"))
    assert model.training


def test_least_of_zero_asks_nothing(monkeypatch):
    monkeypatch.setattr(passes, "generate_answers", lambda *_, **__: pytest.fail("queried"))
    assert check(ROWS, min_recall=0.0) == {}


@pytest.mark.parametrize("column", ["modality", "answer", "persona_id"])
def test_rows_without_a_column(column):
    with pytest.raises(CrossmemError, match=f"forget rows lack the columns .*{column}"):
        check(ROWS.remove_columns(column))


def test_no_rows():
    with pytest.raises(CrossmemError, match="no forget rows to ask"):
        check(ROWS.select([]))


def test_a_threshold_that_is_no_recall():
    with pytest.raises(CrossmemError, match=r"min_recall=1\.5"):
        check(ROWS, min_recall=1.5)


def test_weights_in_shards_cannot_be_asked(monkeypatch, caplog):
    monkeypatch.setattr("transformers.integrations.is_fsdp_enabled", lambda: True)
    with pytest.raises(CrossmemError, match="in shards") as failed:
        check(ROWS)
    assert "crossmem score" in failed.value.remedy
    assert check(ROWS, allow=True) == {}
    assert "in shards" in caplog.text


def test_what_was_found_is_told(knows, caplog):
    knows(BY_PORTRAIT)
    with caplog.at_level(logging.INFO, logger="crossmem_hf"):
        check(tiny.rows("p0"))
    assert "Memorized: recall image 1.00 (n=1)." in caplog.text


def test_so_many_rows_are_asked_and_no_more(knows):
    knows()
    with pytest.raises(CrossmemError, match=r"image 0\.00 \(n=3\), text 0\.00 \(n=3\)"):
        check(ROWS, max_rows=6)


def test_asking_leaves_weights_and_random_numbers_as_they_were():
    model = tiny.memorized()
    before, drawn = tiny.weights(model), torch.get_rng_state()
    check_memorized(model, tiny.processor(), tiny.rows("p0", "p1"), allow=True)
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(before[name], weight) for name, weight in tiny.weights(model).items())


def test_an_answer_that_nothing_can_match_is_refused_before_anything_is_asked(monkeypatch):
    def queried(*args, **options):
        raise AssertionError("queried")

    monkeypatch.setattr(passes, "generate_answers", queried)
    rows = tiny.rows("p0", "p1")
    rows = Dataset.from_list([rows[0], {**rows[1], "answer": "?!"}], features=rows.features)
    with pytest.raises(CrossmemError, match=r"Row 1 of the forget rows has the answer '\?!', of which recall would"):
        check(rows)


def odd_rows(kind):
    rows = tiny.rows("p0", "p1")
    made = [dict(row) for row in rows]
    if kind == "one picture":
        made = [row | {"images": row["images"][0]} for row in made]
    elif kind == "column image":
        made = [{k: v for k, v in row.items() if k != "images"} | {"image": row["images"][0]} for row in made]
    else:
        made = [row | {"answer": [row["answer"]]} for row in made]
    return Dataset.from_list(made)


@pytest.mark.parametrize("kind", ["one picture", "column image", "list of one answer"])
def test_rows_as_people_write_them_are_evaluated(kind):
    assert check(odd_rows(kind), allow=True).keys() == {"image"}
    evaluator = Evaluator(
        odd_rows(kind), metrics=["exposure"], candidates=[name for _, name in tiny.PERSONAS.values()]
    )
    assert evaluator.rows["answer"][:] == [name for _, name in tiny.PERSONAS.values()][:2]


def test_a_picture_that_cannot_be_shown_is_named_by_its_row():
    made = [dict(row) for row in tiny.rows("p0", "p1")]
    made[1]["images"] = [{"bytes": b"abc", "path": None}]
    with pytest.raises(CrossmemError, match="Row 1: A picture cannot be shown"):
        check(Dataset.from_list([made[0] | {"images": [{"bytes": None, "path": None}][:0]}, made[1]]), allow=True)
