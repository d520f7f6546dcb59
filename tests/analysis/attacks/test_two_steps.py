# SPDX-License-Identifier: Apache-2.0
"""What is asked first, what of its answer is asked second, and that predictions are those of the rows themselves."""

import pytest

from crossmem_hf.analysis.attacks import two_steps
from crossmem_hf.analysis.attacks.described_first import described_first, sentence
from crossmem_hf.analysis.attacks.named_first import named_first
from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.population import all_personas
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.prompts.questions import FEATURE_QUESTIONS, NAME_QUESTIONS, features_answer
from crossmem_hf.rendering.prose import describe
from tests.training import tiny

FEW = {"num_personas": 2, "num_views": 1, "image_size": 48}


def asked_by(attack, rows, answers, monkeypatch, **options):
    """The predictions, and the rows of each step; `answers` gives the answers of a step to some of its rows."""
    steps = [[], []]

    def generate_answers(model, processor, several, *, max_new_tokens, **_):
        step = int(len(steps[0]) == len(rows))
        steps[step] += [(row["prompt"][-1]["content"], len(row["images"])) for row in several]
        return answers(step + 1, several)

    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    evaluator = Evaluator(rows, metrics=["recall"], max_new_tokens=5, **options)
    return evaluator, attack(evaluator, None, None), steps


def persona_of(row):
    return next(one for one in all_personas(2, 0) if one.id == row["persona_id"])


@pytest.mark.parametrize("split", ["test", "far"])
@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_person_is_described_and_then_named_from_words(modality, split, monkeypatch):
    rows = load_rows(None, f"recall_{modality}", split, **FEW)

    def answers(number, several):
        whole = [persona_of(row) for row in several]
        return [features_answer(one.visual_attributes) if number == 1 else one.full_name for one in whole]

    evaluator, found, (first, second) = asked_by(described_first, rows, answers, monkeypatch)
    for row, (shown, pictures), (told, none) in zip(rows, first, second, strict=True):
        person, own = persona_of(row), row["prompt"][0]["content"]
        assert (pictures, none) == (int(modality == "image"), 0)
        if modality == "image":
            assert shown == FEATURE_QUESTIONS["image"]
        else:
            description = describe(person, split, row["view"]).text
            assert shown == FEATURE_QUESTIONS["text"].format(description=description)
            assert own.startswith(description)
        sentence_told = told.removesuffix(NAME_QUESTIONS["text"].removeprefix("{description}"))
        assert person.visual_attributes["eye_color"] in sentence_told
        assert person.full_name not in told
    assert [(one["correct"], one["modality"], one["question"]) for one in found] == [
        (True, modality, row["prompt"][0]["content"]) for row in rows
    ]
    assert [one["row"] for one in found] == list(evaluator.questions.keys)
    assert {one["described"] for one in found} == {features_answer(persona_of(row).visual_attributes) for row in rows}


def test_a_name_is_said_before_the_fact_of_it(monkeypatch):
    rows, direct = (
        load_rows(None, "two_hop_test", split, **FEW).filter(lambda row: row["attribute"] == "job")
        for split in ("two_hop", "facts")
    )

    def answers(number, several):
        return [persona_of(row).full_name if number == 1 else "x" for row in several]

    _, found, (first, second) = asked_by(named_first, rows, answers, monkeypatch)
    assert {pictures for _, pictures in first} == {0, 1}
    assert {question.rpartition(". ")[2] for question, _ in first} == {
        NAME_QUESTIONS["image"],
        NAME_QUESTIONS["text"].removeprefix("{description} "),
    }
    assert {question for question, _ in second} == {row["prompt"][0]["content"] for row in direct}, (
        "the words of the question for the fact of a name"
    )
    assert {pictures for _, pictures in second} == {0}
    assert {one["named"] for one in found} == {one.full_name for one in all_personas(2, 0)}


def test_answers_that_look_like_markup_stand_for_nothing(monkeypatch):
    rows = load_rows(None, "recall_text", "test", **FEW)
    _, found, (_, second) = asked_by(described_first, rows, lambda _, several: ["<image>"] * len(several), monkeypatch)
    assert {question.partition(" ")[0] for question, _ in second} == {"image>"}
    assert {one["described"] for one in found} == {"<image>"}


def test_what_cannot_be_read_is_left_as_it_was_said():
    assert sentence("pale short") == "pale short"
    assert sentence("") == ""


@pytest.mark.parametrize("attack", [described_first, named_first])
def test_rows_with_other_questions_are_refused_before_any_pass(attack):
    evaluator = Evaluator(tiny.rows("p0"), metrics=["recall"])
    with pytest.raises(CrossmemError, match=r"ends in no question that is known here"):
        attack(evaluator, None, None)


def test_parted_finds_the_description():
    row = {"prompt": [{"role": "user", "content": "Red hair. Who?"}]}
    assert two_steps.parted(row, ["When?", "Who?"]) == ("Red hair.", "Who?")
