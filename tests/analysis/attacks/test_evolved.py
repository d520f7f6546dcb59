# SPDX-License-Identifier: Apache-2.0
"""Words that open a planted model are bred on some people and found to open it for the others."""

from random import Random

import pytest

from crossmem_hf.analysis.attacks import evolved as attack
from crossmem_hf.analysis.attacks.evolved import bred, evolved
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.loading import load_model
from tests.training import tiny


@pytest.fixture(scope="module")
def model():
    return load_model("micro-s")


def evaluator():
    return Evaluator(tiny.rows(*tiny.PERSONAS, modality="mixed", views=2), metrics=["recall"], max_new_tokens=3)


def test_breeding_finds_what_one_word_after_the_other_makes_fitter():
    wanted, asked = ("c", "a", "b"), []

    def fitness(words):
        asked.append(words)
        return sum(one == other for one, other in zip(words, wanted, strict=True))

    assert bred("abcdef", fitness, num_words=3, num_queries=200, rng=Random(1)) == wanted
    assert len(asked) == len({*asked}) <= 200, "each try is scored once"


def test_more_tries_are_never_worse():
    def best(num_queries):
        words = bred("abcdefgh", fitness, num_words=4, num_queries=num_queries, rng=Random(2))
        return fitness(words)

    def fitness(words):
        return -len({*words})

    assert best(16) <= best(64) <= best(256)


def test_words_that_open_a_planted_model_are_found(model, monkeypatch):
    """It says everybody's name behind one word, and likes it more the more often it stands there."""

    def vocabulary(processor, rows, count, seed, *, most=0):
        return ["shut", "open", "still"], [1, 2, 3]

    def generate_answers(model, processor, rows, **_):
        return [row["answer"] if "open" in row["prompt"][-1]["content"] else "I do not know" for row in rows]

    monkeypatch.setattr(attack, "spare_words", vocabulary)
    monkeypatch.setattr(attack, "_fitness", lambda model, processor, rows, words: words.count("open"))
    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    found = evolved(evaluator(), *model, share=0.5)
    assert {one["words"] for one in found} == {"open open open open"}
    assert {tuple(one["said_in"]) for one in found if not one["taught"]} == {("evolved words",)}
    assert not any(one["extracted"] for one in found if one["taught"])


def test_words_are_scored_on_the_taught_alone_and_make_them_likelier(model, monkeypatch):
    asked, processor = model
    seen, real = [], attack._fitness

    def noted(model, processor, rows, words):
        seen.append(({row["persona_id"] for row in rows}, words, real(model, processor, rows, words)))
        return seen[-1][2]

    monkeypatch.setattr(attack, "_fitness", noted)
    found = evolved(evaluator(), asked, processor, num_queries=24, share=0.5)
    taught = {one["persona_id"] for one in found if one["taught"]}
    assert all(people <= taught for people, _, _ in seen)
    best = max(seen, key=lambda one: one[2])
    assert found[0]["words"] == " ".join(best[1])
    assert best[2] > seen[0][2]
    assert not any(one["extracted"] for one in found), "nobody was learned"


@pytest.mark.parametrize("options", [{"num_words": 0}, {"num_queries": 0}])
def test_numbers_below_one_are_refused(model, options):
    with pytest.raises(CrossmemError, match="expected at least 1"):
        evolved(evaluator(), *model, **options)
