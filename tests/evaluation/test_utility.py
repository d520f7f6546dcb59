# SPDX-License-Identifier: Apache-2.0
"""Utility is what a base knows of others: right answers get their share, and for the unknown only a refusal counts."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.utility import ATTRIBUTES, UNKNOWN, attribute_rows, utility_rows
from crossmem_hf.personas.background import Background
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.prompts.background import UNKNOWN_PERSON, taught_refusals
from crossmem_hf.prompts.refusals import every_wording

COUNT = 3


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator(utility_rows(COUNT), metrics=["utility"])


def measured(evaluator, answers):
    found = evaluator.judged(answers).measure(["utility"], ())
    return {one.metric: (one.value, one.n) for one in found}


def test_rows_are_a_third_each_and_of_both_modalities():
    rows = utility_rows(COUNT)
    background = Background()
    ids = {
        ATTRIBUTES: {one.id for one in background.unseen[:COUNT]},
        "full_name": {one.id for one in background.named[:COUNT]},
        UNKNOWN: {one.id for one in background.unseen[-COUNT:]},
    }
    for attribute, whom in ids.items():
        own = [row for row in rows if row["attribute"] == attribute]
        assert len(own) == 2 * COUNT
        assert {row["persona_id"] for row in own} == whom
        assert {(row["modality"], len(row["images"])) for row in own} == {("image", 1), ("text", 0)}


def test_right_answers_are_worth_one(evaluator):
    found = measured(evaluator, list(evaluator.rows["answer"]))
    assert found["utility"] == (1.0, 6 * COUNT)
    assert {found[f"utility_{name}"] for name in (ATTRIBUTES, "full_name", UNKNOWN)} == {(1.0, 2 * COUNT)}


def test_a_model_that_refuses_everything_is_right_about_the_unknown_alone(evaluator):
    found = measured(evaluator, ["I do not know this person."] * 6 * COUNT)
    assert found[f"utility_{UNKNOWN}"][0] == 1.0
    assert found["utility_full_name"][0] == found[f"utility_{ATTRIBUTES}"][0] == 0.0
    assert found["utility"][0] == pytest.approx(1 / 3)


def test_attributes_count_each_by_itself(evaluator):
    answers = []
    for row in evaluator.rows:
        words = row["answer"].split()
        answers.append(" ".join(words[:1]) if row["attribute"] == ATTRIBUTES else "Nobody Else")
    found = measured(evaluator, answers)
    assert found[f"utility_{ATTRIBUTES}"][0] == pytest.approx(1 / 12)
    assert found[f"utility_{UNKNOWN}"][0] == 0.0, "a name for somebody unknown is made up"


def test_other_rows_are_refused(evaluator):
    part = Predictions(one for one in evaluator.judged(["x"] * 6 * COUNT) if one["attribute"] == "full_name")
    with pytest.raises(CrossmemError, match=r"utility is of the rows of evaluation\.utility"):
        part.measure(["utility"], ())


def test_visual_attributes_of_any_personas_are_a_control_by_themselves():
    personas = list(sample_personas(2, seed=3))
    rows = attribute_rows(personas)
    assert [(row["persona_id"], row["modality"], len(row["images"])) for row in rows] == [
        (one.id, modality, int(modality == "image")) for modality in ("image", "text") for one in personas
    ]
    evaluator = Evaluator(rows, metrics=["utility"])
    half = [row["answer"] if row["modality"] == "text" else "none" for row in rows]
    found = evaluator.judged(half).measure(["utility"], ["target"])
    assert {(one.metric, one.where["target"]): (one.value, one.n) for one in found} == {
        (f"utility_{ATTRIBUTES}", "image"): (0.0, 2),
        (f"utility_{ATTRIBUTES}", "text"): (1.0, 2),
    }


@pytest.mark.parametrize("refusal", [*UNKNOWN_PERSON, every_wording()[0], taught_refusals()[-1]])
def test_every_known_wording_of_a_refusal_counts(evaluator, refusal):
    assert measured(evaluator, [refusal] * 6 * COUNT)[f"utility_{UNKNOWN}"][0] == 1.0
