# SPDX-License-Identifier: Apache-2.0
"""Families whose pictures differ in tiles or sizes, that look across at them, see ahead or place them in two
dimensions: likelihoods and answers are those of the plain forward pass."""

import copy
import re
from functools import lru_cache

import numpy as np
import pytest
import torch

from crossmem_hf.models.turns import answer_tokens as cut_answers
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.continuations import shares_cache
from crossmem_hf.scoring.generation import generate_answers
from tests import sources
from tests.scoring.families import (
    OTHERS,
    answer_tokens,
    families,
    few_rows,
    followed,
    greedy,
    logprobs,
    model_of,
    nll,
    pictures_in,
    pictures_seen,
    prompt_inputs,
    rows,
)

SOME = ["Ann", "Ann Lee Kim", "Nobody at all that I have seen.", "été ☃"]
CLOSE = 1e-4  # nats a token
STEPS = 6
every_other_family = pytest.mark.parametrize("name", OTHERS)


@lru_cache
def expected_of(name):
    """(rows, candidates) the oracle's scores of the family's rows."""
    return nll(model_of(name), families()[name], few_rows(families()[name]), SOME)


@every_other_family
def test_scores_are_those_of_the_plain_pass(name):
    """Mixed rows: two questions about a picture, a wide picture, two pictures in one row, texts."""
    family = families()[name]
    scores = score_candidates(model_of(name), family.processor, few_rows(family), SOME, batch_size=8)
    counts = np.array([len(answer_tokens(family, text)) for text in SOME])
    assert (scores.num_tokens == counts).all()
    assert (np.abs(scores.nll_nats - expected_of(name)) / counts).max() <= CLOSE
    per_token = expected_of(name) / counts
    shown = [bool(row["images"]) for row in few_rows(family)]
    # Rows mixed up would be seen, and so would pictures.
    assert (per_token[shown].max(0) - per_token[shown].min(0)).min() > 0.01
    same_question = [nll(model_of(name), family, [rows(family)[index]], SOME) for index in (0, 3)]
    assert np.abs(same_question[0] - same_question[1]).max() > 0.1


@every_other_family
def test_answers_are_the_likeliest_tokens(name):
    family, model = families()[name], model_of(name)
    made = [greedy(model, family, row, STEPS) for row in few_rows(family)]
    assert min(lead for _, lead in made) > 1e-3  # who is likeliest is not a matter of rounding
    expected = [family.tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens, _ in made]
    answers = generate_answers(model, family.processor, few_rows(family), max_new_tokens=STEPS, batch_size=8)
    assert answers == expected
    assert len(set(expected)) > 1


@every_other_family
def test_own_answers_token_by_token(name):
    family, model = families()[name], model_of(name)
    found = score_answers(model, family.processor, few_rows(family), batch_size=4)
    for row, one in zip(few_rows(family), found, strict=True):
        every, tokens = logprobs(model, family, row, row["answer"])
        assert one.logprobs.shape == (len(tokens),)
        assert np.abs(one.logprobs - every[range(len(tokens)), tokens]).max() <= CLOSE


@every_other_family
def test_what_is_shared(name):
    """Candidates share a start but where layers look across at pictures; questions too, but where a prompt sees
    ahead."""
    family, model = families()[name], model_of(name)
    given = [row for row in few_rows(family) if row["images"]][:2]
    assert shares_cache(model, family.processor, given, [[[5, 6]]] * 2) == (name != "mllama")
    seen = pictures_seen(family, model, lambda: score_candidates(model, family.processor, given, SOME, batch_size=8))
    once = pictures_in(family, given)
    if name == "mllama":
        assert seen == len(SOME) * 2  # rows of pictures, not tiles
    else:
        assert seen == once * (2 if name == "paligemma" else 1)


# the oracle's own assumptions


def test_the_answer_of_mllama_sees_what_its_processor_lets_it_see():
    """The mask that is made longer by hand is that of the whole conversation."""
    family = families()["mllama"]
    for row in few_rows(family):
        if row["images"]:
            inputs = prompt_inputs(family, row)
            content = [
                *[{"type": "image"}] * len(row["images"]),
                {"type": "text", "text": row["prompt"][0]["content"]},
            ]
            turns = [{"role": "user", "content": content}]
            turns.append({"role": "assistant", "content": [{"type": "text", "text": "Ann Lee Kim"}]})
            text = family.processor.apply_chat_template(turns, tokenize=False)
            whole = family.processor(text=text, images=[row["images"]], return_tensors="pt", add_special_tokens=False)
            tokens = whole["input_ids"][0, inputs["input_ids"].shape[1] :].tolist()
            longer = followed(family, inputs, tokens)
            assert len(tokens) > 3
            assert torch.equal(longer["input_ids"], whole["input_ids"])
            assert torch.equal(longer["cross_attention_mask"], whole["cross_attention_mask"])


def test_the_answer_of_paligemma_is_its_suffix():
    """Tokens and token types of prompt and answer are those that its processor makes for fine-tuning."""
    family = families()["paligemma"]
    for row in few_rows(family):
        inputs, tokens = prompt_inputs(family, row), answer_tokens(family, "Ann Lee Kim")
        text = "<image>" * len(row["images"]) + row["prompt"][0]["content"]
        tuned = family.processor(text=text, images=[row["images"]], suffix="Ann Lee Kim", return_tensors="pt")
        longer = followed(family, inputs, tokens)
        assert torch.equal(longer["input_ids"], tuned["input_ids"])
        assert torch.equal(longer["token_type_ids"], tuned["token_type_ids"])


def test_the_template_that_the_documentation_gives_for_paligemma():
    """It writes rows as the template of these tests does."""
    family = families()["paligemma"]
    (given,) = re.findall(r'`processor.chat_template = "(.*)"`', (sources.ROOT / "docs/models.md").read_text())
    processor = copy.copy(family.processor)
    processor.chat_template = given
    for row in few_rows(family):
        assert prompt_text(processor, row) == prompt_text(family.processor, row)
        assert cut_answers(processor, row, ["Ann"]) == cut_answers(family.processor, row, ["Ann"])
