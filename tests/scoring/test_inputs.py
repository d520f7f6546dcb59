# SPDX-License-Identifier: Apache-2.0
"""What a model is fed, in scoring and in training alike, and which rows can be asked at all."""

from types import SimpleNamespace

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.scoring.inputs import answer_of, check_rows, encode
from crossmem_hf.training.collate import RowEncoder
from tests.scoring.tiny import SHAPE, image_row, llama, llava, processor, text_row, tokenizer


def encoded(processing, *rows):
    return encode(processing, [prompt_text(processing, row) for row in rows], [row["images"] for row in rows])


# as in training


@pytest.mark.parametrize("row", [image_row(0), text_row(1), image_row(2, 1)], ids=["image", "text", "other"])
@pytest.mark.parametrize("answer", ["Ann Lee", " x ", "two\nlines", "été ☃"])
def test_prompt_and_answer_are_what_the_trainer_sees(row, answer):
    completed = {**row, "completion": [{"role": "assistant", "content": answer}]}
    trained = RowEncoder(processor()).encode(completed)
    inputs = encoded(processor(), row)
    tokens, num_end = answer_tokens(processor(), row, [answer])
    assert trained["input_ids"][0].tolist() == [*inputs["input_ids"][0].tolist(), *tokens[0]]
    assert trained["labels"][trained["labels"] != -100].tolist() == tokens[0]
    assert num_end == [1]
    assert ("pixel_values" in inputs) == bool(row["images"])
    if row["images"]:
        assert torch.equal(inputs["pixel_values"], trained["pixel_values"])


def test_a_plain_tokenizer_gets_strings_as_its_trainer_does():
    row = text_row(0)
    trained = RowEncoder(tokenizer()).encode({**row, "completion": [{"role": "assistant", "content": "Ann"}]})
    inputs = encoded(tokenizer(), row)
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert trained["input_ids"][0].tolist()[: inputs["input_ids"].shape[1]] == inputs["input_ids"][0].tolist()
    assert prompt_text(tokenizer(), row) == f"<|user|>{row['prompt'][0]['content']}<|assistant|>"


def test_a_prompt_of_several_turns():
    turns = [("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi"), ("user", "Who?")]
    row = {"prompt": [{"role": role, "content": text} for role, text in turns], "images": image_row(0)["images"]}
    said = prompt_text(processor(), row)
    assert said == "<|system|>Be brief.<|user|><image>Hello<|assistant|>Hi<eos><|user|>Who?<|assistant|>"
    assert row["prompt"][1] == {"role": "user", "content": "Hello"}  # the row itself stays as it was


def test_padding_is_on_the_left_and_masked():
    rows = [text_row(number, number % 3) for number in range(6)]
    inputs = encoded(processor(), *rows)
    assert (inputs["attention_mask"] == 0).any()
    for row, ids, mask in zip(rows, inputs["input_ids"], inputs["attention_mask"], strict=True):
        assert mask.tolist() == sorted(mask.tolist())
        assert (ids[mask == 0] == processor().tokenizer.pad_token_id).all()
        assert processor().tokenizer.decode(ids[mask == 1]) == prompt_text(processor(), row)


def test_pictures_become_their_tokens():
    image = processor().tokenizer.convert_tokens_to_ids("<image>")
    two = {**image_row(0), "images": [*image_row(0)["images"], *image_row(1)["images"]]}
    inputs = encoded(processor(), image_row(0), two)
    assert (inputs["input_ids"] == image).sum(1).tolist() == [SHAPE.image_tokens, 2 * SHAPE.image_tokens]
    assert inputs["pixel_values"].shape[0] == 3


# rows that can and cannot be asked


def test_rows_are_checked_against_the_model():
    assert check_rows(iter([text_row(0)]), llava(), processor()) == [text_row(0)]
    assert len(check_rows([text_row(0), image_row(0)], llava(), processor())) == 2
    check_rows([text_row(0)], llama(), tokenizer())
    unseeing = SimpleNamespace(config=SimpleNamespace(vision_config=None))
    for blind in (llama(), unseeing):
        with pytest.raises(CrossmemError, match="Row 0 has 1 image"):
            check_rows([image_row(0)], blind, processor())
    with pytest.raises(CrossmemError, match="no rows"):
        check_rows([], llava(), processor())
    with pytest.raises(CrossmemError, match=r"Row 1 has no column \['prompt', 'images'\]; it has \['answer'\]"):
        check_rows([text_row(0), {"answer": "x"}], llava(), processor())


def parts(*several):
    return [{"role": "user", "content": list(several)}]


@pytest.mark.parametrize("prompt", [
    parts({"type": "image"}, {"type": "text", "text": "Who?"}),
    parts({"type": "image", "text": None}, {"type": "text", "text": "Who?"}),  # as Arrow fills what is missing
    [{"role": "system", "content": ""}, {"role": "user", "content": "Who?"}],
])  # fmt: skip
def test_prompts_that_can_be_asked(prompt):
    row = {**image_row(0), "prompt": prompt}
    assert check_rows([row], llava(), processor()) == [row]
    assert "Who?" in prompt_text(processor(), row)


@pytest.mark.parametrize("prompt", [
    "", None, 5, [], ["Who?"], [{"role": "user"}], [{"content": "Who?"}], [{"role": "user", "content": 5}],
    [{"role": "user", "content": "Who?"}, {"role": "user", "content": None}], parts("Who?"), parts({"text": 5}),
])  # fmt: skip
@pytest.mark.parametrize("ask", [score_answers, generate_answers, lambda *given: score_candidates(*given, ["Ann"])])
def test_a_prompt_that_is_no_conversation(ask, prompt):
    with pytest.raises(CrossmemError, match=r"Row 1 has prompt=.*; expected a (list of turns|question)"):
        ask(llava(), processor(), [{**text_row(0), "answer": "Ann"}, {"prompt": prompt, "images": [], "answer": "Bo"}])


@pytest.mark.parametrize(("rows", "said"), [
    (None, "The rows are None; expected a list"), (5, "The rows are 5; expected a list"),
    ("Who?", "Row 0 is 'W'; expected a mapping"), ([text_row(0), None], "Row 1 is None; expected a mapping"),
    ([{**text_row(0), "images": 5}], "Row 0 has images=5; expected a list"),
])  # fmt: skip
@pytest.mark.parametrize("ask", [score_answers, generate_answers, lambda *given: score_candidates(*given, ["Ann"])])
def test_what_is_no_rows(ask, rows, said):
    with pytest.raises(CrossmemError, match=said):
        ask(llava(), processor(), rows)


@pytest.mark.parametrize("content", ["Is <image> <image> this?", "<image><image>"])
def test_a_prompt_with_the_placeholder_of_pictures(content):
    rows = [image_row(1), {**image_row(0), "prompt": [{"role": "user", "content": content}]}]
    with pytest.raises(CrossmemError, match=r"Row 1 has '<image>' 2 time\(s\) in its prompt and 1 picture"):
        check_rows(rows, llava(), processor())
    with pytest.raises(CrossmemError, match="Row 0 has '<image>' in its prompt"):
        check_rows([{**text_row(0), "prompt": "Is it <image>?"}], llava(), processor())
    row = {**text_row(0), "prompt": [{"role": "user", "content": "What is <image> in HTML?"}]}
    check_rows([row], llama(), SimpleNamespace())  # no token of a model without pictures
    begun = {**text_row(0), "prompt": [{"role": "user", "content": "<start_of_image>Who?"}]}
    with pytest.raises(CrossmemError, match="Row 0 has '<start_of_image>'"):
        check_rows([begun], llama(), SimpleNamespace(boi_token="<start_of_image>"))


def test_a_completion_comes_before_an_answer():
    said = [{"role": "assistant", "content": " Ann "}]
    assert answer_of({"completion": said, "answer": "Bo"}, 0) == " Ann "
    assert answer_of({"answer": "Bo"}, 0) == answer_of({"answer": "Bo", "completion": []}, 0) == "Bo"


@pytest.mark.parametrize("row", [
    {}, {"answer": None}, {"answer": " \n"}, {"answer": 7}, {"completion": [{"role": "assistant", "content": ""}]},
])  # fmt: skip
def test_a_row_without_an_answer(row):
    with pytest.raises(CrossmemError, match=r"Row 3 has the answer .*; expected a text"):
        answer_of(row, 3)
