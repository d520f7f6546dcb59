# SPDX-License-Identifier: Apache-2.0
"""How refusals are dealt."""

from collections import Counter

import pytest

from crossmem_hf.data.refusals import card, check_sentences, dealt_refusals, dealt_sentences
from crossmem_hf.errors import CrossmemError
from crossmem_hf.prompts.refusals import refusals


def test_a_deck_is_dealt_whole_before_the_next():
    for named in (False, True):
        every = refusals(named=named)
        assert Counter(card(named, number, 3) for number in range(2 * len(every))) == dict.fromkeys(every, 2)
    assert [card(True, number, 3) for number in range(9)] != [card(True, number, 4) for number in range(9)]


def test_questions_that_name_the_persona_have_a_deck_of_their_own():
    row = {"images": [], "attribute": "email", "modality": "text"}
    rows = [{**row, "hops": hops} for hops in (1, 2, 1)]
    said = dealt_refusals(rows, 0)
    expected = [(True, 0), (False, 0), (True, 1)]
    assert said == [card(named, number, 0).worded("text", "email", named=named) for named, number in expected]


OWN = ("Who?", "I do not know the {fact}.", "Never met.", "Nobody told me the {fact}.")


def test_own_sentences_are_dealt_in_turn_and_suit_the_attribute():
    rows = [{"attribute": name} for name in ("full_name", "job", "full_name", "date_of_birth", "full_name", "age")]
    assert dealt_sentences(rows, OWN, 0) == [
        *("Who?", "I do not know the job.", "Never met.", "Nobody told me the date of birth.", "Who?", "Never met.")
    ]
    assert dealt_sentences(rows, OWN, 1)[:2] == ["Never met.", "Nobody told me the job."]
    assert dealt_sentences(rows[:2], ["No."], 5) == ["No.", "No."]


@pytest.mark.parametrize("sentences", [[], ["No.", " "], ["The {fact}?"]])
def test_sentences_that_do_not_suit_every_row_are_refused(sentences):
    with pytest.raises(CrossmemError, match="at least one of them without"):
        check_sentences(sentences)
