# SPDX-License-Identifier: Apache-2.0
"""Models that cannot be asked are refused before any work, and all families that can are not."""

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import passes as module
from crossmem_hf.evaluation.passes import Passes, check_readable
from tests.scoring import families, tiny

PICTURE, TEXT = tiny.image_row(0), tiny.text_row(0)


@pytest.fixture
def processor():
    return deepcopy(tiny.processor())


def test_what_can_be_asked_is_accepted(processor):
    check_readable(tiny.llava(), processor, [PICTURE, TEXT])
    check_readable(tiny.llama(), tiny.tokenizer(), [TEXT])


def test_no_rows():
    with pytest.raises(CrossmemError, match="no rows"):
        check_readable(tiny.llava(), tiny.processor(), [])


def test_pictures_for_a_model_without_eyes():
    with pytest.raises(CrossmemError, match="has no image tower"):
        check_readable(tiny.llama(), tiny.tokenizer(), [TEXT, PICTURE])


def test_pictures_with_nothing_but_a_tokenizer():
    check_readable(tiny.llava(), tiny.tokenizer(), [TEXT])
    with pytest.raises(CrossmemError, match="is a tokenizer without an image token"):
        check_readable(tiny.llava(), tiny.tokenizer(), [PICTURE])


def test_no_chat_template(processor):
    processor.chat_template = processor.tokenizer.chat_template = None
    with pytest.raises(CrossmemError, match="LlavaProcessor has no chat template"):
        check_readable(tiny.llava(), processor, [TEXT])


def test_a_template_that_writes_no_image_token(processor):
    processor.chat_template = processor.chat_template.replace("<image>", "")
    with pytest.raises(CrossmemError, match="writes no image token"):
        check_readable(tiny.llava(), processor, [PICTURE])
    check_readable(tiny.llava(), processor, [TEXT])


def test_a_template_that_writes_another_token(processor):
    """The processor then finds no place for the picture, or puts none that the model knows."""
    processor.chat_template = processor.chat_template.replace("<image>", "picture")
    with pytest.raises(CrossmemError, match=r"cannot put a picture into its prompt|holds no image token"):
        check_readable(tiny.llava(), processor, [PICTURE])


@pytest.mark.parametrize("name", [*families.SEEING, *families.BLIND])
def test_every_family_is_accepted(name):
    family = families.families()[name]
    check_readable(families.model_of(name), family.processor, families.rows(family))


def test_an_answer_has_room_for_the_sentence_that_was_taught(monkeypatch):
    sentence = f"As far as I can tell, the person in this picture is {tiny.NAMES[0]}."
    row = {**TEXT, "answer": tiny.NAMES[0], "completion": [{"role": "assistant", "content": sentence}]}
    room = []
    monkeypatch.setattr(
        module, "generate_answers", lambda *_, max_new_tokens, **more: room.append(max_new_tokens) or ["Ann"]
    )
    options = {"batch_size": "auto", "temperature": 0.0, "seed": 0}
    passes = Passes(tiny.llama(), tiny.tokenizer(), None, None, max_new_tokens=None, **options)
    questions = SimpleNamespace(about=[row], rows=[row])
    assert passes.generation(questions) == [{"answer": "Ann", "correct": False}]
    passes = replace(passes, max_new_tokens=5)
    passes.generation(questions)
    tokens = tiny.tokenizer()(f"{sentence}<eos>", add_special_tokens=False)["input_ids"]
    assert room == [len(tokens) + module.SPARE_TOKENS, 5]
