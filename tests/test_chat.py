# SPDX-License-Identifier: Apache-2.0
"""Every answer ends in a token that generation stops at, once, in training and in scoring alike."""

from copy import deepcopy
from types import SimpleNamespace

import pytest

from crossmem_hf.chat import ended, sees_images
from crossmem_hf.scoring.inputs import answer_text, prompt_text
from crossmem_hf.training.collate import RowEncoder
from tests.training import world

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


def llava_processor():
    processor = deepcopy(world.processor())
    processor.chat_template = LLAVA
    return processor


def test_llava_learns_to_stop_and_is_scored_on_the_same_tokens():
    processor = llava_processor()
    eos = processor.tokenizer.eos_token_id
    answers = []
    for modality in ("image", "text"):
        row = world.row("p0", modality)
        batch = RowEncoder(processor).encode(row)
        labels = batch["labels"][0][batch["labels"][0] != -100].tolist()
        scored = processor.tokenizer(answer_text(processor, row, row["answer"]), add_special_tokens=False)["input_ids"]
        assert labels == scored
        assert "ASSISTANT:" in prompt_text(processor, row)
        answers.append(labels)
    assert answers[0] == answers[1]
    assert answers[0][-1] == eos
    assert answers[0].count(eos) == 1
    assert processor.tokenizer.decode(answers[0]) == " Ada Moss <eos>"


@pytest.mark.parametrize("ending", ["<eos>", "<eos>\n", "<|end|>", "<|end|>\n"])
def test_a_template_that_ends_its_turns_is_left_alone(ending):
    processor = deepcopy(world.processor())
    processor.tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    assert ended(processor, f"Ada Moss{ending}") == f"Ada Moss{ending}"
    assert ended(processor.tokenizer, f"Ada Moss{ending}") == f"Ada Moss{ending}"


def test_a_tokenizer_alone_ends_answers_too():
    tokenizer = world.processor().tokenizer
    assert ended(tokenizer, "Ada Moss ") == "Ada Moss <eos>"
    without = SimpleNamespace(eos_token=None, added_tokens_decoder={}, all_special_tokens=[])
    assert ended(without, "Ada Moss") == "Ada Moss"


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
