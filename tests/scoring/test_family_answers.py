# SPDX-License-Identifier: Apache-2.0
"""Every family answers in a batch as it answers alone, and its own answers are read token by token as in a plain
forward pass."""

from functools import lru_cache

import numpy as np
import pytest

from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.seeding import rng_for
from tests.scoring.families import (
    BLIND,
    SEEING,
    families,
    few,
    greedy,
    logprobs,
    model_of,
    pictures_in,
    pictures_seen,
    rows,
)

CLOSE = 1e-4  # nats
STEPS = 8
every_family = pytest.mark.parametrize("name", [*SEEING, *BLIND])
a_few_families = pytest.mark.parametrize("name", few([*SEEING, *BLIND]))
a_few_seeing_families = pytest.mark.parametrize("name", few(SEEING))


@lru_cache
def made_by(name):
    """The oracle's answer to each of the family's rows, as tokens."""
    family, model = families()[name], model_of(name)
    found = [greedy(model, family, row, STEPS) for row in rows(family)]
    assert min(lead for _, lead in found) > 1e-3  # who is likeliest is not a matter of rounding
    return [tokens for tokens, _ in found]


def reported(name, tokens):
    """Each answer as text."""
    spelled = families()[name].tokenizer
    return [spelled.decode(one, skip_special_tokens=True).strip() for one in tokens]


def answers(name, *, model=None, chosen=None, steps=STEPS, **sizes):
    """The engine's answers to some of a family's rows."""
    family = families()[name]
    given = rows(family)
    given = given if chosen is None else [given[index] for index in chosen]
    return generate_answers(model or model_of(name), family.processor, given, max_new_tokens=steps, **sizes)


# generated


@pytest.mark.parametrize(("attention", "batch_size"), [("sdpa", 8), ("eager", 1)])
@every_family
def test_answers_are_the_likeliest_tokens(name, batch_size, attention):
    """Pictures and texts, several questions a picture, several pictures a row, prompts of unequal length."""
    expected = reported(name, made_by(name))
    assert answers(name, model=model_of(name, attention), batch_size=batch_size) == expected
    assert len(set(expected)) > 3


@a_few_families
def test_the_order_of_rows_is_kept(name):
    expected = reported(name, made_by(name))
    order = rng_for(0, "order").sample(range(len(expected)), len(expected))
    assert answers(name, chosen=order, batch_size=3) == [expected[index] for index in order]


@pytest.mark.parametrize("batch_size", [1, 8])
@a_few_families
def test_an_end_of_turn_ends_an_answer(name, batch_size):
    """A token in the middle of some answers, made one that ends a turn, ends these and no others."""
    family, made = families()[name], made_by(name)
    middle = sorted({token for one in made for token in one[1:-2]} - family.stops)
    split = [stop for stop in middle if 0 < sum(stop in one for one in made) < len(made)]
    stop = split[len(split) // 2]
    model = family.model()
    model.generation_config.eos_token_id = [*family.stops, stop]
    kept = [one[: one.index(stop) + 1] if stop in one else one for one in made]
    assert answers(name, model=model, batch_size=batch_size) == reported(name, kept)
    assert reported(name, kept) != reported(name, made)


@a_few_families
def test_the_side_a_tokenizer_pads_changes_nothing(name, monkeypatch):
    monkeypatch.setattr(families()[name].tokenizer, "padding_side", "left")
    assert answers(name, batch_size=8) == reported(name, made_by(name))


@a_few_families
def test_answers_are_cut_at_the_limit(name):
    assert answers(name, steps=3) == reported(name, [one[:3] for one in made_by(name)])


@pytest.mark.parametrize("batch_size", [2, 8])
@a_few_seeing_families
def test_a_picture_is_encoded_once_for_a_batch_of_questions(name, batch_size):
    family, model = families()[name], model_of(name)
    six = [0, 2, 3, 5, 8, 10]
    answers(name, chosen=[0])  # on the first call a model is tried
    seen = pictures_seen(family, model, lambda: answers(name, chosen=six, batch_size=batch_size))
    assert seen == pictures_in(family, [rows(family)[index] for index in six])


# given


@pytest.mark.parametrize("batch_size", [1, 8])
@every_family
def test_own_answers_token_by_token(name, batch_size):
    family, model = families()[name], model_of(name)
    given = rows(family)
    for number, (row, tokens) in enumerate(zip(given, made_by(name), strict=True)):
        if number % 2:  # some answers are what the model would say, at least at first
            row["answer"] = reported(name, [tokens])[0] or row["answer"]
            row["completion"] = [{"role": "assistant", "content": row["answer"]}]
    found = score_answers(model, family.processor, given, batch_size=batch_size)
    for row, one in zip(given, found, strict=True):
        every, tokens = logprobs(model, family, row, row["answer"])
        chances = np.exp(every)
        means = (chances * every).sum(1)
        stds = np.sqrt((chances * every**2).sum(1) - means**2)
        for got, want in ((one.logprobs, every[range(len(tokens)), tokens]), (one.means, means), (one.stds, stds)):
            assert got.shape == (len(tokens),)
            assert np.abs(got - want).max() <= CLOSE
        best_two = np.sort(every, 1)[:, -2:]
        assert (best_two[:, 1] - best_two[:, 0]).min() > 1e-3
        assert one.matches.tolist() == (every.argmax(1) == tokens).tolist()
        ends = len(tokens) - len(family.tokenizer(f"{family.manner.lead}{row['answer']}")["input_ids"])
        assert one.num_end == ends > 0
        assert np.array_equal(one.content.matches, one.matches[:-ends])
    hits = [hit for one in found for hit in one.matches.tolist()]
    assert 0 < sum(hits) < len(hits)
