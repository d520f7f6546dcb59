# SPDX-License-Identifier: Apache-2.0
"""What a model is fed: exactly what TRL's trainers feed it, and answers cut into the tokens of the whole text."""

from functools import lru_cache
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.scoring.inputs import answer_of, answer_text, answer_tokens, check_rows, encode, prompt_text
from crossmem_hf.training.collate import RowEncoder
from tests.scoring.family import Manner
from tests.scoring.world import NAMES, SHAPE, image_row, llama, llava, processor, text_row, tokenizer


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
    assert num_end == 1
    assert ("pixel_values" in inputs) == bool(row["images"])
    if row["images"]:
        assert torch.equal(inputs["pixel_values"], trained["pixel_values"])


def test_a_plain_tokenizer_gets_strings_as_its_trainer_does():
    row = text_row(0)
    trained = RowEncoder(tokenizer()).encode({**row, "completion": [{"role": "assistant", "content": "Ann"}]})
    inputs = encoded(tokenizer(), row)
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert trained["input_ids"][0].tolist()[: inputs["input_ids"].shape[1]] == inputs["input_ids"][0].tolist()
    assert answer_text(tokenizer(), row, "Ann") == "Ann<eos>"
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
    "Who?", None, 5, [], ["Who?"], [{"role": "user"}], [{"content": "Who?"}], [{"role": "user", "content": 5}],
    [{"role": "user", "content": "Who?"}, {"role": "user", "content": None}], parts("Who?"), parts({"text": 5}),
])  # fmt: skip
@pytest.mark.parametrize("ask", [score_answers, generate_answers, lambda *given: score_candidates(*given, ["Ann"])])
def test_a_prompt_that_is_no_conversation(ask, prompt):
    with pytest.raises(CrossmemError, match=r"Row 1 has prompt=.*; expected a list of turns"):
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


@pytest.mark.parametrize("content", ["Is <image> this?", [{"type": "image"}, {"type": "text", "text": "a<image>"}]])
def test_a_prompt_with_the_placeholder_of_pictures(content):
    rows = [image_row(1), {**image_row(0), "prompt": [{"role": "user", "content": content}]}]
    with pytest.raises(CrossmemError, match="Row 1 has '<image>' in its prompt"):
        check_rows(rows, llava(), processor())
    row = {**text_row(0), "prompt": [{"role": "user", "content": "What is <image> in HTML?"}]}
    check_rows([row], llama(), SimpleNamespace())  # no token of a model without pictures
    begun = {**text_row(0), "prompt": [{"role": "user", "content": "<start_of_image>Who?"}]}
    with pytest.raises(CrossmemError, match="Row 0 has '<start_of_image>'"):
        check_rows([begun], llama(), SimpleNamespace(boi_token="<start_of_image>"))


@pytest.mark.parametrize("token", ["<image>", "<eos>", "<pad>", "<|user|>"])
@pytest.mark.parametrize("answer", ["{} sneaky", "Ann {} Lee", "Ann{}", "{}"])
def test_an_answer_with_a_special_token_is_named(token, answer):
    text = answer.format(token)
    with pytest.raises(CrossmemError) as caught:
        answer_tokens(processor(), image_row(0), ["Ann", text, "Bo"])
    assert f"The answer {text!r} holds the special token {token!r}" in str(caught.value)


def test_what_only_looks_like_a_special_token_is_scored():
    answers = ["< image >", "eos", "<imag", "e>"]
    (found, *_), _ = answer_tokens(processor(), image_row(0), answers)
    assert processor().tokenizer.decode(found) == "< image ><eos>"


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


# tokens at the boundary

SPLITS = {  # how tokenizers cut a text into words, inside which tokens are merged
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama3": pre_tokenizers.Sequence([
        pre_tokenizers.Split(
            Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"), "isolated"
        ),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]),
    "no_words": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    "metaspace": pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
    "prepend": None,
}  # fmt: skip
TEMPLATES = {
    "vicuna": Manner(user="USER: ", asked="\n", assistant="ASSISTANT:", lead=" ", tail=" <eos>"),
    "no_separator": Manner(user="USER: ", asked="\n", assistant="ASSISTANT:", tail="<eos>"),
    "special": Manner(user="USER: ", asked="\n", assistant="<bos>", tail="<eos>"),
    "space": Manner(user="USER: ", asked="\n", assistant="ASSISTANT: ", tail="\n<eos>"),
    "nothing": Manner(user="USER: ", asked=" SAYS:", assistant="", lead=" ", tail="\n"),
}
ANSWERS = ["Ann", " Ann", "x", "Ann. ", "\nAnn", "Ann.", "Ann\n", "été ☃", "  two  words", ":", "\t1234", *NAMES[:4]]
QUESTION = {"prompt": [{"role": "user", "content": "Who?"}], "images": []}


@lru_cache
def spelling(split, template="special", change=""):
    """A tokenizer that learnt to merge across some boundaries; `change` is a filter that answers go through."""
    pieces = split in ("metaspace", "prepend")  # as SentencePiece: no words, spaces as a letter, bytes for the rest
    known = ["<pad>", "<bos>", "<eos>", *[f"<0x{byte:02X}>" for byte in range(256)] * pieces]
    spelled = Tokenizer(models.BPE(byte_fallback=pieces))
    if split == "prepend":
        spelled.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        spelled.pre_tokenizer = SPLITS[split]
    texts = ["ASSISTANT: Ann.\n USER: x", "ASSISTANT:x SAYS: y", "the hat. \n\n The red:x", *ANSWERS, "été ☃ | #"] * 20
    learn = trainers.BpeTrainer(vocab_size=600, special_tokens=known, show_progress=False)
    spelled.train_from_iterator([*texts, "USER: Who? " * 9], learn)
    ends = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    whole = PreTrainedTokenizerFast(tokenizer_object=spelled, **ends)
    written = TEMPLATES[template].template(parts=False)
    whole.chat_template = written.replace("message['content']", f"(message['content']{change})")
    return whole


def whole_and_prompt(words, answer):
    """Ids of the whole conversation as the template writes it, and of its prompt alone."""
    turns = [*QUESTION["prompt"], {"role": "assistant", "content": answer}]
    whole = words.apply_chat_template(turns, tokenize=False)
    whole += "" if whole.rstrip().endswith("<eos>") else "<eos>"
    prompt = words.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    return [words(text, add_special_tokens=False)["input_ids"] for text in (whole, prompt)]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("split", SPLITS)
def test_tokens_are_those_of_the_whole_or_the_answer_is_named(split, template):
    words = spelling(split, template)
    for answer in ANSWERS:
        whole, prompt = whole_and_prompt(words, answer)
        if whole[: len(prompt)] == prompt:
            assert answer_tokens(words, QUESTION, [answer])[0] == [whole[len(prompt) :]]
        else:
            with pytest.raises(CrossmemError, match=r"merges with the end of the prompt") as caught:
                answer_tokens(words, QUESTION, [answer])
            assert repr(answer) in str(caught.value)


def test_boundaries_of_both_kinds_are_among_them():
    """The guard of the test above: some answers merge with the prompt, others do not."""
    merged = {
        (split, template): [
            answer
            for answer in ANSWERS
            for whole, prompt in [whole_and_prompt(spelling(split, template), answer)]
            if whole[: len(prompt)] != prompt
        ]
        for split in SPLITS
        for template in TEMPLATES
    }
    assert "x" in merged["llama3", "no_separator"]
    assert "Ann" in merged["gpt2", "space"]
    assert {"x", "Ann.", ":"} <= {*merged["prepend", "vicuna"]} & {*merged["metaspace", "vicuna"]}
    assert not any(merged[split, "special"] for split in SPLITS)
    assert not merged["gpt2", "vicuna"]


@pytest.mark.parametrize("change", [
    " | trim", " | upper", ".split('</think>')[-1]", " | replace('n', 'm')", " + ' #'", " ~ message['content']",
])  # fmt: skip
@pytest.mark.parametrize("split", ["gpt2", "metaspace"])
def test_answers_are_what_the_template_makes_of_them(split, change):
    words = spelling(split, "special", change)
    answers = [*ANSWERS, "a</think>b", "1234"]
    tokens, _ = answer_tokens(words, QUESTION, answers)
    for answer, found in zip(answers, tokens, strict=True):
        whole, prompt = whole_and_prompt(words, answer)
        assert found == whole[len(prompt) :], answer


@pytest.mark.parametrize(("tail", "expected"), [
    ("<eos>", ["<eos>"]), ("<eos>\n", ["<eos>", "\n"]), ("\n<eos>", ["\n", "<eos>"]), (" <eos>", [" ", "<eos>"]),
    ("", ["<eos>"]), ("\n", ["\n", "<eos>"]), (":", [":", "<eos>"]),
])  # fmt: skip
@pytest.mark.parametrize("split", ["gpt2", "prepend", "metaspace"])
def test_how_many_tokens_end_a_turn(split, tail, expected):
    written = Manner(user="U", asked="\n", assistant="<bos>", tail=tail).template(parts=False)
    words = clone(spelling(split), chat_template=written)
    (one, two), num_end = answer_tokens(words, QUESTION, ["1", "12345 ☃!"])
    assert one[-num_end:] == two[-num_end:]
    assert [PIECES.get(piece, piece) for piece in words.convert_ids_to_tokens(one[-num_end:])] == expected


PIECES = {"Ġ": " ", "▁": " ", "Ċ": "\n", "▁\n": "\n", "<0x0A>": "\n"}


def clone(words, **changes):
    """The same tokenizer with some attributes changed."""
    other = PreTrainedTokenizerFast(tokenizer_object=words.backend_tokenizer, pad_token="<pad>", eos_token="<eos>")
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def test_a_tokenizer_without_an_end():
    words = clone(spelling("gpt2"), eos_token=None)
    words.chat_template = Manner(user="U", asked="\n", assistant="A:", lead=" ", tail="").template(parts=False)
    ids = words(" Ann Lee", add_special_tokens=False)["input_ids"]
    assert answer_tokens(words, QUESTION, ["Ann Lee"]) == ([ids], 0)


def test_a_template_that_rewrites_the_prompt():
    words = clone(spelling("gpt2"), chat_template="{{ messages | length }}{{ messages[-1]['content'] }}")
    with pytest.raises(CrossmemError, match="writes a different prompt once an answer follows"):
        answer_tokens(words, QUESTION, ["Ann"])


def test_ten_thousand_answers_are_not_each_written_by_the_template():
    words = spelling("gpt2", "vicuna")
    written = []
    counting = clone(words)
    counting.chat_template = words.chat_template
    apply = counting.apply_chat_template
    counting.apply_chat_template = lambda *given, **named: written.append(1) or apply(*given, **named)
    answers = [f"name {number}" for number in range(10_000)]
    tokens, num_end = answer_tokens(counting, QUESTION, answers)
    assert len(written) < 10
    assert num_end == 2
    assert tokens[4321] == words(" name 4321 <eos>", add_special_tokens=False)["input_ids"]
