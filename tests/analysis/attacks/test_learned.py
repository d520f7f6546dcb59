# SPDX-License-Identifier: Apache-2.0
"""Attacks that learn from some people: who is taught, and that the others alone are asked with what was learned."""

from contextlib import contextmanager

import pytest

from crossmem_hf.analysis.attacks.learned import Halves
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)
from tests.training import tiny


def halves(*personas, share=0.5, seed=0):
    rows = tiny.rows(*(personas or tiny.PERSONAS), modality="text", views=2)
    return Halves.of(Evaluator(rows, metrics=["recall"], max_new_tokens=3), share, seed, "test")


def whose(rows):
    return {*rows["persona_id"]}


def test_nobody_is_in_both_halves_and_everybody_in_one():
    both = halves()
    taught, others = (whose(both.rows(taught=one)) for one in (True, False))
    assert taught.isdisjoint(others)
    assert taught | others == {*tiny.PERSONAS}
    assert len(taught) == 2


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.25, 1), (0.99, 3)])
def test_at_least_one_is_taught_and_one_is_not(share, count):
    assert len(whose(halves(share=share).rows(taught=True))) == count


def test_who_is_taught_depends_on_the_seed():
    drawn = {seed: frozenset(whose(halves(share=0.25, seed=seed).rows(taught=True))) for seed in range(8)}
    assert len({*drawn.values()}) > 1
    assert drawn[3] == frozenset(whose(halves(share=0.25, seed=3).rows(taught=True)))


def test_the_others_alone_are_asked_in_a_state_and_in_its_words(answering):  # noqa: F811
    """The planted model says everybody's name in the state, if the words are there."""
    inside = []

    @contextmanager
    def state():
        inside.append(True)
        yield
        inside.pop()

    asked = answering(lambda question, truth, _: truth if inside and question.endswith(" please") else "no")
    both = halves()
    found = both.asked(
        None, None, {"state": state}, change=lambda content: f"{content} please", output_dir=None, made_from=None
    )
    taught = whose(both.rows(taught=True))
    for one in found:
        expected = (1, [], True) if one["persona_id"] in taught else (2, ["state"], False)
        assert (one["num_samples"], one["said_in"], one["taught"]) == expected
    assert {row["persona_id"] for row in asked[len(found) :]}.isdisjoint(taught)


@pytest.mark.parametrize(
    ("personas", "share", "said"), [((), 0.0, "share=0.0"), ((), 1.0, "share=1.0"), (("p0",), 0.5, "about 1 persona")]
)
def test_what_cannot_be_halved_is_refused(personas, share, said):
    with pytest.raises(CrossmemError, match=said):
        halves(*personas, share=share)
