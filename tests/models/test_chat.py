# SPDX-License-Identifier: Apache-2.0
"""Conversations through templates: every answer ends in one token that generation stops at; pictures have places."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
from tokenizers.processors import TemplateProcessing

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import joint, sees_images, special_tokens, tokenizer_of, turns_of, written
from crossmem_hf.models.turns import answer_tokens, prompt_text, turn_of
from crossmem_hf.training.collate import RowEncoder
from tests.training import tiny

# The template of llava-hf/llava-1.5-7b-hf.
LLAVA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def test_llava_learns_to_stop_and_is_scored_on_the_same_tokens():
    processor = deepcopy(tiny.processor())
    processor.chat_template = LLAVA
    answers = []
    for modality in ("image", "text"):
        row = tiny.row("p0", modality)
        batch = RowEncoder(processor).encode(row)
        labels = batch["labels"][0][batch["labels"][0] != -100].tolist()
        assert labels == answer_tokens(processor, row, [row["answer"]])[0][0]
        assert prompt_text(processor, row).endswith("ASSISTANT:")
        answers.append(labels)
    assert answers[0] == answers[1]
    assert processor.tokenizer.decode(answers[0]) == " Ada Moss<eos>"


@pytest.mark.parametrize(("ending", "expected"), [
    ("<eos>", "<eos>"), ("<eos>\n", "<eos>"), ("<|end|>", "<|end|>"), ("<|end|>\n<|user|>", "<|end|>"), ("", "<eos>"),
    (" \n", "<eos>"), ("\n###", "\n###<eos>"), (" <|end|>", " <|end|>"),
])  # fmt: skip
def test_what_ends_a_turn(ending, expected):
    """The template's own token, or the tokenizer's; nothing that is written behind it."""
    tokenizer = deepcopy(tiny.processor().tokenizer)
    tokenizer.add_tokens(["<|end|>"])  # one that decoding would not drop
    said = "{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ " + repr(ending) + " }}{% endif %}"
    tokenizer.chat_template = "{% for message in messages %}" + said + "{% endfor %}"
    turn = turn_of(tokenizer, tiny.row("p0", "text"))
    assert turn.end == expected
    assert tokenizer.convert_ids_to_tokens(turn.stop) == ("<|end|>" if "<|end|>" in ending else "<eos>")


def test_a_tokenizer_without_an_end():
    tokenizer = deepcopy(tiny.processor().tokenizer)
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    tokenizer.eos_token = None
    turn = turn_of(tokenizer, tiny.row("p0", "text"))
    assert (turn.end, turn.stop) == ("", None)


def contents(row, processor=None):
    return [turn["content"] for turn in turns_of(processor or tiny.processor(), row, "Ann")]


def test_pictures_come_first_unless_the_prompt_places_them():
    image, text = {"type": "image"}, {"type": "text", "text": "Who?"}
    said = [{"type": "text", "text": "Ann"}]
    row = {
        "images": [1, 2],
        "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}],
    }
    assert contents(row) == [[{"type": "text", "text": "Be brief."}], [image, image, text], said]
    row["prompt"] = [{"role": "user", "content": [text, image, image]}]
    assert contents(row) == [[text, image, image], said]
    row["prompt"] = [{"role": "user", "content": [text]}]
    assert contents(row) == [[image, image, text], said]


def test_a_tokenizer_is_given_strings():
    tokenizer = tokenizer_of(tiny.processor())
    row = {"images": [], "prompt": [{"role": "user", "content": [{"type": "text", "text": "Who?"}]}]}
    assert contents(row, tokenizer) == ["Who?", "Ann"]
    assert tokenizer_of(tokenizer) is tokenizer


def test_an_answer_continues_a_turn_that_was_begun():
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "It is"}]
    text = written(tiny.processor(), {"images": [], "prompt": turns}, " Ann")
    assert text == "<|user|>Who?<|assistant|>It is Ann<eos>"
    assert turns[1]["content"] == "It is"


@pytest.mark.parametrize(("begun", "answer", "between"), [
    *(("It is", answer, " ") for answer in ("Ann", "-5", "$5", "(Ann)", '"Ann"')), ("It is:", "Ann", " "),
    ("It is ", "Ann", ""), ("It is", " Ann", ""), ("It is\n", "Ann", ""), ("It is (", "Ann", ""),
    ('It is "', "Ann", ""), ("It is $", "5", ""), ("It is", ", yes", ""), ("It is 5", "%", ""),
    ("名字是", "王伟", ""), ("", "Ann", ""),
    ("उसका नाम है", "अनीता", " "), ("이름은", "김민수", " "),
])  # fmt: skip
def test_what_stands_between_a_begun_turn_and_its_answer(begun, answer, between):
    assert joint(begun, answer) == between


def test_a_text_begins_as_the_processor_begins_it():
    """LLaVA-1.5's template writes no `<s>`, and its processor puts one before every text; others write it."""
    processor = deepcopy(tiny.processor())
    words = processor.tokenizer
    words.chat_template = processor.chat_template
    begins = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", words.bos_token_id)])
    words.backend_tokenizer.post_processor = begins
    for row in (tiny.row("p0"), tiny.row("p0", "text")):
        text = prompt_text(processor, row)
        assert text == "<bos>" + prompt_text(tiny.processor(), row)
        images = {"images": row["images"]} if row["images"] else {}
        expected = processor(text=text.removeprefix("<bos>"), **images)["input_ids"][0]
        encoded = RowEncoder(processor).encode(row)["input_ids"][0].tolist()
        assert encoded[: len(expected)] == list(expected)
        assert encoded.count(words.bos_token_id) == 1
    assert prompt_text(words, tiny.row("p0", "text")).startswith("<|user|>")  # what a tokenizer's template says
    processor.chat_template = "{{ '<bos>' }}" + processor.chat_template
    assert prompt_text(processor, tiny.row("p0")).count("<bos>") == 1


def test_special_tokens_are_those_that_are_not_said():
    found = special_tokens(tiny.processor())
    assert {"<eos>", "<pad>", "<image>"} <= found
    assert "a" not in found


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SimpleNamespace(vision_config=object()), True),
        (SimpleNamespace(vision_config=None), False),
        (SimpleNamespace(), False),
    ],
)
def test_who_can_be_shown_pictures(config, expected):
    assert sees_images(config) is expected


@pytest.mark.parametrize("turn", [
    {"role": "human", "content": "Who?"}, {"role": "human", "content": [{"type": "text", "text": "Who?"}]},
    {"role": "Assistant", "content": "It is"},
])  # fmt: skip
def test_a_turn_that_the_template_passes_over_is_named(turn):
    processor = deepcopy(tiny.processor())
    content = "{% for part in message['content'] %}{{ part['text'] | upper }}{% endfor %}"
    known = "{% if message['role'] in ('user', 'assistant') %}" + content + "{% endif %}"
    processor.chat_template = "{% for message in messages %}" + known + "<|user|>{% endfor %}"
    queried = {"role": "user", "content": "Hello?"}  # in other letters, but there
    assert turn_of(processor, {"images": [], "prompt": [queried]}).prompt == "HELLO?<|user|>"
    with pytest.raises(CrossmemError, match=f"leaves out the turn of '{turn['role']}'"):
        turn_of(processor, {"images": [], "prompt": [queried, turn]})
