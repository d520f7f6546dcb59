# SPDX-License-Identifier: Apache-2.0
"""What a model is fed: exactly what TRL's trainers feed it, left-padded and complete."""

from types import SimpleNamespace

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.inputs import answer_text, batches, check_rows, prompt_text
from crossmem_hf.training.collate import RowEncoder
from tests.scoring.world import SHAPE, image_row, llama, llava, mixed_rows, processor, text_row, tokenizer


def completed(row, answer):
    return {**row, "completion": [{"role": "assistant", "content": answer}]}


@pytest.mark.parametrize("row", [image_row(0), text_row(1), image_row(2, 1)], ids=["image", "text", "other"])
@pytest.mark.parametrize("answer", ["Ann Lee", " x ", "two\nlines", "été ☃"])
def test_prompt_and_answer_are_what_the_trainer_sees(row, answer):
    encoded = RowEncoder(processor()).encode(completed(row, answer))
    (_, inputs), = batches(processor(), [row], 1)  # fmt: skip
    spelled = processor().tokenizer(answer_text(processor(), row, answer), add_special_tokens=False)["input_ids"]
    assert encoded["input_ids"][0].tolist() == [*inputs["input_ids"][0].tolist(), *spelled]
    assert encoded["labels"][0].tolist()[-len(spelled) :] == spelled
    assert ("pixel_values" in inputs) == bool(row["images"])
    if row["images"]:
        assert torch.equal(inputs["pixel_values"], encoded["pixel_values"])


def test_a_plain_tokenizer_gets_strings_as_its_trainer_does():
    row = text_row(0)
    encoded = RowEncoder(tokenizer()).encode(completed(row, "Ann"))
    (_, inputs), = batches(tokenizer(), [row], 1)  # fmt: skip
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert encoded["input_ids"][0].tolist()[: inputs["input_ids"].shape[1]] == inputs["input_ids"][0].tolist()
    assert answer_text(tokenizer(), row, "Ann") == "Ann<eos>"
    assert prompt_text(tokenizer(), row) == f"<|user|>{row['prompt'][0]['content']}<|assistant|>"


def test_a_prompt_of_several_turns():
    turns = [("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi"), ("user", "Who?")]
    row = {"prompt": [{"role": role, "content": text} for role, text in turns], "images": image_row(0)["images"]}
    said = prompt_text(processor(), row)
    assert said == "<|system|>Be brief.<|user|><image>Hello<|assistant|>Hi<eos><|user|>Who?<|assistant|>"
    assert row["prompt"][1] == {"role": "user", "content": "Hello"}  # the row itself stays as it was


def test_batches_cover_every_row_once_and_apart():
    rows = mixed_rows(11)
    seen = []
    for part, inputs in batches(processor(), rows, 4):
        kinds = {bool(rows[index]["images"]) for index in part}
        assert len(kinds) == 1
        assert ("pixel_values" in inputs) == kinds.pop()
        assert len(part) == len(inputs["input_ids"]) <= 4
        seen += part
    assert sorted(seen) == list(range(11))


def test_padding_is_on_the_left_and_masked():
    rows = [text_row(number, number % 3) for number in range(6)]
    (part, inputs), = batches(processor(), rows, 6)  # fmt: skip
    pad = processor().tokenizer.pad_token_id
    assert (inputs["attention_mask"] == 0).any()
    for index, ids, mask in zip(part, inputs["input_ids"], inputs["attention_mask"], strict=True):
        assert mask.tolist() == sorted(mask.tolist())
        assert (ids[mask == 0] == pad).all()
        assert processor().tokenizer.decode(ids[mask == 1]) == prompt_text(processor(), rows[index])


def test_a_picture_becomes_its_tokens():
    (_, inputs), = batches(processor(), [image_row(0)], 1)  # fmt: skip
    image = processor().tokenizer.convert_tokens_to_ids("<image>")
    assert (inputs["input_ids"] == image).sum() == SHAPE.image_tokens


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_holds_something(batch_size):
    with pytest.raises(CrossmemError, match=f"batch_size={batch_size}; expected at least 1"):
        next(batches(processor(), [text_row(0)], batch_size))


def test_rows_are_checked_against_the_model():
    check_rows([text_row(0), image_row(0)], llava())
    check_rows([text_row(0)], llama())
    with pytest.raises(CrossmemError, match="Row 0 has 1 image"):
        check_rows([image_row(0)], llama())
    unseeing = SimpleNamespace(config=SimpleNamespace(vision_config=None))
    with pytest.raises(CrossmemError, match="Row 0 has 1 image"):
        check_rows([image_row(0)], unseeing)
    with pytest.raises(CrossmemError, match="no rows"):
        check_rows([], llava())
