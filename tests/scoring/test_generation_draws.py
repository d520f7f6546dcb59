# SPDX-License-Identifier: Apache-2.0
"""Samples belong to a row, a seed and a temperature, and follow the model's own distribution."""

from itertools import count

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring import generation
from crossmem_hf.scoring.generation import generate_answers
from tests.scoring.spoken import shared_rows, step_by_step
from tests.scoring.tiny import llama, llava, processor, text_row, tokenizer


def sampled(rows, seed, temperature=1.0, **sizes):
    return generate_answers(llava(), processor(), rows, max_new_tokens=6, temperature=temperature, seed=seed, **sizes)


@pytest.mark.parametrize("batch_size", [1, 3, "auto"])
def test_a_sample_is_the_same_alone_and_in_company(batch_size):
    rows = shared_rows()
    alone = [sampled([row], seed=3)[0] for row in rows]
    assert sampled(rows, seed=3, batch_size=batch_size) == alone
    assert sampled(rows[::-1], seed=3, batch_size=batch_size) == alone[::-1]
    assert len(set(alone)) == len(alone)


def test_other_seeds_give_other_samples():
    drawn = [sampled(shared_rows(), seed=seed) for seed in range(3)]
    assert all(len({*answers}) > 1 for answers in zip(*drawn, strict=True))
    twice = [row for row in shared_rows()[:2] for _ in range(2)]
    assert sampled(twice, seed=0) == [answer for answer in drawn[0][:2] for _ in range(2)]


@pytest.mark.parametrize("temperature", [1e-3, 1e-40])
def test_cold_draws_are_the_likeliest_tokens(temperature):
    expected = [step_by_step(llava(), processor(), row, 6) for row in shared_rows()]
    assert sampled(shared_rows(), seed=1, temperature=temperature) == expected


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_draws_follow_the_model(monkeypatch, temperature):
    """First tokens of 2,000 draws, behind one cached start, against the softmax of the logits; a Pearson test at
    one in ten thousand, which the distribution at another temperature fails by far."""
    model, row, draws = llama(), text_row(0), 2000
    text = tokenizer().apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
    with torch.no_grad():
        logits = model(tokenizer()(text, return_tensors="pt")["input_ids"]).logits[0, -1].double().numpy()
    seeds = count()
    monkeypatch.setattr(generation, "seed_for", lambda *_: next(seeds))
    answers = generate_answers(
        model, tokenizer(), [row] * draws, max_new_tokens=1, temperature=temperature, batch_size=500
    )
    spelled = [tokenizer().decode([token], skip_special_tokens=True).strip() for token in range(len(logits))]

    def surprise(at):
        chances = np.exp((logits - logits.max()) / at)
        expected = dict.fromkeys(spelled, 0.0)
        for text, chance in zip(spelled, chances / chances.sum(), strict=True):
            expected[text] += draws * chance
        frequent = [text for text, number in expected.items() if number >= 5]
        seen, wanted = ([counts(text) for text in frequent] for counts in (answers.count, expected.get))
        rest = (draws - sum(seen), draws - sum(wanted))
        return chisquare([*seen, rest[0]], [*wanted, rest[1]]).pvalue

    assert surprise(temperature) > 1e-4
    assert surprise(temperature * 1.2) < 1e-6


@pytest.mark.parametrize("temperature", [-1.0, -1e-9, float("nan"), float("inf")])
def test_temperatures_that_mean_nothing(temperature):
    with pytest.raises(CrossmemError, match=f"temperature={temperature!r}; expected at least 0"):
        generate_answers(llava(), processor(), [text_row(0)], temperature=temperature)
