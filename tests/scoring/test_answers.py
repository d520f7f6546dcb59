# SPDX-License-Identifier: Apache-2.0
"""Right answers token by token: equal to plain float64 passes over each row, whatever the batch."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.answers import AnswerTokens, score_answers
from crossmem_hf.scoring.candidates import score_candidates
from tests.scoring.family import Manner
from tests.scoring.tiny import CANDIDATES, NAMES, image_row, llama, llava, mixed_rows, processor, text_row, tokenizer

FIELDS = ("logprobs", "means", "stds")


def completed(row, answer):
    return {**row, "completion": [{"role": "assistant", "content": answer}]}


def some_rows():
    """Both modalities, several questions a picture, a row twice, answers of one token and of many."""
    rows = [completed(row, CANDIDATES[number]) for number, row in enumerate(mixed_rows(9))]
    again = {**image_row(0), "prompt": [{"role": "user", "content": "Who?"}]}
    return [*rows, completed(again, NAMES[0]), completed(again, "x"), rows[0], {**text_row(3), "answer": NAMES[1]}]


def oracle(model, processing, row, ended):
    """Token ids of the ended answer, and (tokens, vocabulary) float64 log-probabilities, of one row on its own."""
    turns, pictures = row["prompt"], {"images": row["images"]} if row["images"] else {}
    if hasattr(processing, "tokenizer"):
        text = {"type": "text", "text": turns[0]["content"]}
        turns = [{"role": "user", "content": [*[{"type": "image"}] * len(row["images"]), text]}]
    prompt = processing.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    inputs = dict(processing(text=prompt + ended, **pictures, return_tensors="pt", add_special_tokens=False))
    tokens = getattr(processing, "tokenizer", processing)(ended, add_special_tokens=False)["input_ids"]
    for name in {"attention_mask", "token_type_ids"} & set(inputs):
        del inputs[name]
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0, -len(tokens) - 1 : -1].double()
    return tokens, torch.log_softmax(logits, -1).numpy()


def said(row):
    return row["completion"][0]["content"] if "completion" in row else row["answer"]


def assert_as_the_oracle(one, tokens, every):
    chances = np.exp(every)
    entropy = -(chances * every).sum(1)
    stds = np.sqrt((chances * (every + entropy[:, None]) ** 2).sum(1))
    assert one.logprobs.shape == one.means.shape == one.stds.shape == one.matches.shape == (len(tokens),)
    assert {getattr(one, name).dtype for name in FIELDS} == {np.dtype(np.float64)}
    assert one.matches.dtype == np.bool_
    assert np.abs(one.logprobs - every[range(len(tokens)), tokens]).max() <= 1e-4
    assert np.abs(one.means + entropy).max() <= 1e-4
    assert np.abs(one.stds - stds).max() <= 1e-4
    assert one.matches.tolist() == (every.argmax(1) == tokens).tolist()


@pytest.fixture(scope="module")
def expected():
    return [oracle(llava(), processor(), row, f"{said(row)}<eos>") for row in some_rows()]


@pytest.mark.parametrize("batch_size", [1, 8, "auto"])
@pytest.mark.parametrize("tokens_per_pass", [1, 40, "auto"])
def test_equal_to_plain_passes(expected, batch_size, tokens_per_pass):
    found = score_answers(llava(), processor(), some_rows(), batch_size=batch_size, tokens_per_pass=tokens_per_pass)
    assert len(found) == len(expected)
    for one, (tokens, every) in zip(found, expected, strict=True):
        assert one.num_end == 1
        assert_as_the_oracle(one, tokens, every)


def test_the_rows_differ(expected):
    """The guard of the test above: rows mixed up would be seen, and some tokens are the likeliest."""
    firsts = [every[0, tokens[0]] for tokens, every in expected]
    assert len({round(value, 3) for value in firsts}) >= len(firsts) - 2
    assert len({len(tokens) for tokens, _ in expected}) > 4


def test_the_likeliest_token_matches():
    """Answers that start with the token that a plain pass finds likeliest; and others, that do not."""
    model, matched = llama(), []
    for row in map(text_row, range(12)):
        _, every = oracle(model, tokenizer(), row, "x")
        text = tokenizer().decode([every[0].argmax()])
        if text.isalpha() and tokenizer().encode(text) == [every[0].argmax()]:
            likely, other = score_answers(model, tokenizer(), [completed(row, text), completed(row, f"?{text}")])
            matched.append((likely.matches[0], other.matches[0]))
    assert matched == [(True, False)] * len(matched)
    assert len(matched) >= 3


def test_sums_are_those_of_candidates():
    rows = [{**row, "answer": NAMES[number]} for number, row in enumerate(mixed_rows(6))]
    answers = score_answers(llava(), processor(), rows)
    scores = score_candidates(llava(), processor(), rows, NAMES)
    places = range(6), scores.truth_index
    assert np.abs(scores.nll_nats[places] + [one.logprobs.sum() for one in answers]).max() <= 1e-3
    assert scores.num_tokens[places].tolist() == [len(one.logprobs) for one in answers]


def test_all_from_one_pass_behind_each_batch():
    """Each prompt is read once and each answer once: what four measures of it would read four times."""
    model, rows, fed = llama(), [completed(text_row(0), name) for name in NAMES[:6]], []
    score_answers(model, tokenizer(), rows)
    handle = model.register_forward_pre_hook(
        lambda module, given, named: fed.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    score_answers(model, tokenizer(), rows)
    handle.remove()
    answers = {name: tokenizer()(f"{name}<eos>", add_special_tokens=False)["input_ids"] for name in NAMES[:6]}
    inner = {tuple(ids[:stop]) for ids in answers.values() for stop in range(1, len(ids))}
    assert [shape[0] for shape in fed] == [1, 1]
    assert fed[1] == (1, len(inner))


# ends


@pytest.mark.parametrize(("tail", "ended", "num_end"), [
    ("<eos>", "<eos>", 1), ("<eos>\n", "<eos>", 1), (" ", "<eos>", 1), ("", "<eos>", 1), (":\n<eos>", ":\n<eos>", 3),
])  # fmt: skip
def test_the_end_of_the_turn(tail, ended, num_end):
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer().backend_tokenizer, pad_token="<pad>", eos_token="<eos>"
    )
    words.chat_template = Manner(user="<|user|>", queried="", assistant="<|assistant|>", tail=tail).template(
        parts=False
    )
    rows = [completed(text_row(number), NAMES[number]) for number in range(3)]
    for row, one in zip(rows, score_answers(llama(), words, rows), strict=True):
        tokens, every = oracle(llama(), words, row, said(row) + ended)
        assert_as_the_oracle(one, tokens, every)
        assert one.num_end == num_end
        assert words.decode(tokens[-num_end:]) == ended
        content = one.content
        assert content.num_end == 0
        assert_as_the_oracle(content, tokens[:-num_end], every[:-num_end])


def test_content_without_an_end_is_everything():
    values = np.array([-1.0, -2.0])
    one = AnswerTokens(logprobs=values, means=values, stds=-values, matches=values > -1.5, num_end=0)
    assert one.content.logprobs.tolist() == [-1.0, -2.0]
    assert AnswerTokens(
        logprobs=values, means=values, stds=-values, matches=values > -1.5, num_end=1
    ).content.matches.tolist() == [True]


# bad input


@pytest.mark.parametrize(("rows", "wrong"), [
    ([], "There are no rows to ask"),
    ([completed(text_row(0), "Ann"), text_row(1)], "Row 1 has the answer None; expected a text"),
    ([completed(text_row(0), " ")], "Row 0 has the answer ' '; expected a text"),
    ([{"images": [], "answer": "Ann"}], r"Row 0 has no column \['prompt'\]"),
])  # fmt: skip
def test_bad_rows(rows, wrong):
    with pytest.raises(CrossmemError, match=wrong):
        score_answers(llama(), tokenizer(), rows)


@pytest.mark.parametrize("name", ["batch_size", "tokens_per_pass"])
def test_a_size_below_one(name):
    with pytest.raises(CrossmemError, match=f"{name}=0; expected a whole number, at least 1"):
        score_answers(llama(), tokenizer(), [completed(text_row(0), "Ann")], **{name: 0})


def test_pictures_for_a_blind_model():
    with pytest.raises(CrossmemError, match="has no image tower"):
        score_answers(llama(), tokenizer(), [completed(image_row(0), "Ann")])
