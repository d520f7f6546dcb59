# SPDX-License-Identifier: Apache-2.0
"""Questions behind answered ones about others: never about the same person, of the retain set where it is known."""

import pytest
from datasets import Dataset

from crossmem_hf.analysis.attacks.in_context import in_context
from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.forms import as_row
from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.turns import prompt_text
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)
from tests.training import tiny

FEW = {"num_personas": 5, "num_views": 1, "image_size": 48}


def evaluator(config="recall_image", *, forgotten=None):
    return Evaluator(load_rows(None, config, "test", **FEW), metrics=["recall"], forgotten=forgotten, max_new_tokens=3)


def shown_in(row):
    """The answers in a row's prompt."""
    return [turn["content"] for turn in row["prompt"] if turn["role"] == "assistant"]


def asking(rows):
    return Evaluator(
        Dataset.from_list(rows, features=features_of("recall_image")), metrics=["recall"], max_new_tokens=3
    )


@pytest.mark.parametrize("config", ["recall_image", "recall_text"])
def test_others_are_shown_with_their_answers_and_pictures(config, answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    own = evaluator(config)
    found = in_context(own, None, None, num_shown=(1, 3))
    assert {one["num_samples"] for one in found} == {3}
    count = len(own.rows)
    for place, row in enumerate(asked[: 2 * count]):
        names = shown_in(row)
        assert len({*names}) == (1 if place < count else 3)
        assert row["answer"] not in names
        assert len(row["images"]) == (len(names) + 1 if config == "recall_image" else 0)
        for name in names:
            pictures = [one["images"] for one in own.rows if one["answer"] == name]
            assert config == "recall_text" or any(row["images"][names.index(name)] == one[0] for one in pictures)


def test_those_to_forget_are_not_shown_where_others_are_enough(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    forgotten = forgotten_ids(DatasetSpec(**FEW, forget_fraction=0.4))
    own = evaluator(forgotten=forgotten)
    hidden = {row["answer"] for row in own.rows if row["persona_id"] in forgotten}
    in_context(own, None, None, num_shown=(2,))
    assert not any(hidden & {*shown_in(row)} for row in asked)
    del asked[:]
    in_context(own, None, None, num_shown=(4,))
    assert any(hidden & {*shown_in(row)} for row in asked), "all four others, whoever they are"


def test_a_model_that_speaks_behind_others_is_found_an_echo_is_not(answering):  # noqa: F811
    asked = answering(lambda _, truth, pictures: truth if len(pictures) == 4 else "no")
    found = in_context(evaluator(), None, None)
    assert {tuple(one["said_in"]) for one in found} == {("3 shown",)}
    answering(lambda *_: shown_in(asked[0])[0])
    assert not any(
        one["extracted"] for one in in_context(evaluator(), None, None) if one["truth"] != shown_in(asked[0])[0]
    )


def test_pictures_stand_before_the_question_that_they_belong_to(answering, tiny_model):  # noqa: F811
    asked = answering(lambda *_: "no")
    in_context(evaluator(), None, None, num_shown=(1,))
    _, processor = load_model(str(tiny_model))
    text = prompt_text(processor, as_row(asked[0], 0))
    turns = text.split("<|user|>")[1:]
    assert [turn.count("<image>") for turn in turns] == [1, 1]
    assert shown_in(asked[0])[0] in turns[0]


def test_nobody_with_the_same_answer_is_shown(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    several = {"p0": "Ada Moss", "p1": "Ada Moss", "p2": "ada moss", "p3": "Cy"}
    rows = [
        tiny.row(name, "text") | {"answer": said, "completion": [{"role": "assistant", "content": said}]}
        for name, said in several.items()
    ]
    in_context(asking(rows), None, None, num_shown=(1,))
    assert [shown_in(row) for row in asked[:3]] == [["Cy"]] * 3


def test_a_system_turn_stands_first_and_once(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    rows = [
        row | {"prompt": [{"role": "system", "content": "Be brief."}, *row["prompt"]]}
        for row in (tiny.row(name) for name in tiny.PERSONAS)
    ]
    in_context(asking(rows), None, None, num_shown=(2,))
    roles = [turn["role"] for turn in asked[0]["prompt"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [turn["content"].count("<image>") for turn in asked[0]["prompt"]] == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("num_shown", "said"), [((0,), r"num_shown=\(0,\); expected numbers from 1"), ((9,), "None of the ways")]
)
def test_what_cannot_be_shown_is_refused(num_shown, said, answering):  # noqa: F811
    answering(lambda *_: "no")
    with pytest.raises(CrossmemError, match=said):
        in_context(evaluator(), None, None, num_shown=num_shown)
