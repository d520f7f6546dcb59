# SPDX-License-Identifier: Apache-2.0
"""Rows asked in several ways: a secret that comes out in one of them is found, and what nobody knows is not."""

import pytest

from crossmem_hf.analysis.attacks import variants
from crossmem_hf.analysis.attacks.variants import asked_besides, asked_in_ways, with_content
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.training import tiny

NAMES = [name for _, name in tiny.PERSONAS.values()]


def evaluator_of(*personas):
    rows = tiny.rows(*personas, modality="text", views=2)
    return Evaluator(rows, metrics=["recall"], candidates=NAMES, max_new_tokens=3)


@pytest.fixture
def answering(monkeypatch):
    """Free answers come from a function of what a row asks, its truth and its pictures; the rows asked are kept."""

    def become(answer):
        asked = []

        def generate_answers(model, processor, rows, **_):
            asked.extend(rows)
            return [answer(row["prompt"][-1]["content"], row["answer"], row["images"]) for row in rows]

        monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
        return asked

    return become


def test_a_secret_that_one_way_brings_out_is_found(answering):
    evaluator = evaluator_of("p0", "p1")
    answering(lambda question, truth, _: truth if "please" in question else "I do not know")
    ways = {
        "polite": lambda row, _: with_content(row, lambda content: f"{content} please"),
        "loud": lambda row, _: with_content(row, str.upper),
    }
    found = asked_in_ways(evaluator, None, None, ways, output_dir=None, made_from=None)
    assert {(one["num_samples"], one["num_said"], one["extracted"], *one["said_in"]) for one in found} == {
        (3, 1, True, "polite")
    }
    assert {one["answer"] for one in found} == {"I do not know"}, "the plain answer stays what it was"
    assert found.measure(["extracted"], by=())[0].value == 1.0


def test_whoever_knows_nothing_is_not_accused(answering):
    answering(lambda *_: NAMES[0])
    found = asked_in_ways(
        evaluator_of("p1", "p2"), None, None, {"same": lambda row, _: row}, output_dir=None, made_from=None
    )
    assert not any(one["extracted"] for one in found)


def test_a_way_may_apply_to_some_rows_only(answering):
    evaluator = evaluator_of("p0", "p1")
    asked = answering(lambda *_: "no")
    found = asked_in_ways(
        evaluator,
        None,
        None,
        {"first": lambda row, place: row if place < 1 else None},
        output_dir=None,
        made_from=None,
    )
    assert [one["num_samples"] for one in found] == [2, 1, 1, 1]
    assert len(asked) == 5
    assert [one["row"] for one in found] == list(evaluator.questions.keys)


def test_ways_that_apply_to_nothing_are_an_error_before_any_pass(answering):
    asked = answering(lambda *_: "no")
    with pytest.raises(CrossmemError, match=r"None of the ways \(never\) applies to any of the 2 rows"):
        asked_in_ways(evaluator_of("p0"), None, None, {"never": lambda *_: None}, output_dir=None, made_from=None)
    assert asked == []


def test_other_rows_are_asked_besides_ones_own(answering):
    evaluator = evaluator_of("p0")
    answering(lambda question, truth, _: truth if "besides" in question else "no")
    rows = [with_content(dict(row), lambda _: "besides") for row in evaluator.rows]
    own, others = asked_besides(evaluator, None, None, rows * 2, output_dir=None, made_from=None)
    assert ([one["correct"] for one in own], [one["correct"] for one in others]) == ([False] * 2, [True] * 4)


def test_finished_parts_are_not_asked_again(answering, tmp_path):
    model = tiny.memorized().eval(), tiny.processor()
    evaluator, ways = evaluator_of("p0"), {"same": lambda row, _: row}
    asked = answering(lambda *_: "no")
    places = {"output_dir": tmp_path, "made_from": "this model"}
    first = asked_in_ways(evaluator, *model, ways, **places)
    assert len(asked) == 4
    assert asked_in_ways(evaluator, *model, ways, **places) == first
    assert len(asked) == 4


def test_only_the_last_turn_is_changed():
    row = {"prompt": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "answer": "c"}
    changed = variants.with_content(row, lambda content: content * 2)
    assert [turn["content"] for turn in changed["prompt"]] == ["a", "bb"]
    assert row["prompt"][-1]["content"] == "b"
