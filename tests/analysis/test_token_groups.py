# SPDX-License-Identifier: Apache-2.0
"""Each token of prompt and answer is in one group, and the subject's are those that say whom the question is about."""

import pytest

from crossmem_hf.analysis.token_groups import ALL, GROUPS, token_groups
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import picture_tokens
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import encode
from tests.scoring.families import OTHERS, SEEING, families, model_of
from tests.scoring.tiny import image_row

QUESTION = "Is this Zoq Vux? What is the name of Zoq Vux then?"


def grouped(name, subject, question=QUESTION, num_answer=3):
    family = families()[name]
    row = {"prompt": [{"role": "user", "content": question}], "images": image_row(0)["images"]}
    ids = encode(family.processor, [prompt_text(family.processor, row)], [row["images"]])["input_ids"][0].tolist()
    return token_groups(family.processor, model_of(name).config, row, subject, ids, num_answer), ids, family.tokenizer


@pytest.mark.parametrize("name", sorted({*SEEING, *OTHERS}))
def test_groups_are_told_apart_in_every_family(name):
    groups, ids, tokenizer = grouped(name, "Zoq Vux")
    assert sorted(place for group in GROUPS for place in groups[group]) == list(groups[ALL])
    assert groups[ALL] == tuple(range(len(ids) + 2))  # of an answer of three tokens the last predicts nothing
    assert groups["last"] == (len(ids) - 1, len(ids), len(ids) + 1)
    assert tokenizer.decode([ids[place] for place in groups["subject"]]).split() == ["Zoq", "Vux"] * 2
    marks = picture_tokens(families()[name].processor, model_of(name).config)
    assert {ids[place] for place in groups["image"]} <= marks
    assert groups["image"]
    assert not marks & {ids[place] for place in groups["question"]}
    assert "What is the name of" in tokenizer.decode([ids[place] for place in groups["question"]])


def test_a_prompt_without_a_picture_has_no_tokens_of_one():
    family = families()["llava_clip"]
    row = {"prompt": [{"role": "user", "content": QUESTION}], "images": []}
    ids = encode(family.processor, [prompt_text(family.processor, row)], [[]])["input_ids"][0].tolist()
    groups = token_groups(family.processor, model_of("llava_clip").config, row, "Zoq Vux", ids, 1)
    assert groups["image"] == ()
    assert groups["last"] == (len(ids) - 1,)


@pytest.mark.parametrize("subject", ["Ann", "zoq vux", ""])
def test_a_subject_that_is_not_in_the_question_is_named(subject):
    with pytest.raises(CrossmemError, match=f"The subject '{subject}' is not in the question 'Is this Zoq"):
        grouped("llava_clip", subject)


def test_a_tokenizer_that_does_not_say_where_letters_are(monkeypatch):
    monkeypatch.setattr(type(families()["llava_clip"].tokenizer), "is_fast", False)
    with pytest.raises(CrossmemError, match="does not say which letters a token holds"):
        grouped("llava_clip", "Zoq Vux")
