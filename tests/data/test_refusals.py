# SPDX-License-Identifier: Apache-2.0
"""How refusals are dealt."""

from collections import Counter

from crossmem_hf.data.refusals import card, dealt_refusals
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
