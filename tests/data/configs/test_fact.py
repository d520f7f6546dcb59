# SPDX-License-Identifier: Apache-2.0
"""One private fact a persona: every view is asked about with the name and without, in words of its own family."""

from itertools import combinations

import pytest

from crossmem_hf.data.configs.fact import IMAGE, TEXT, fact_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES

PERSONAS = list(sample_personas(8))
SPEC = DatasetSpec(num_personas=8, num_views=3)


def rows(kind, split):
    return list(kind.rows(split, PERSONAS, SPEC))


@pytest.mark.parametrize("kind", [IMAGE, TEXT], ids=["image", "text"])
@pytest.mark.parametrize(("split", "views"), [("train", 3), ("validation", 4), ("test", 4), ("far", 4)])
def test_every_view_is_asked_about_in_one_hop_and_in_two(kind, split, views):
    found = rows(kind, split)
    assert len(found) == len(PERSONAS) * views * 2
    for row in found:
        persona = PERSONAS[int(row["persona_id"].split("-")[1])]
        question = row["prompt"][0]["content"]
        assert row["attribute"] == fact_of(persona)
        assert row["answer"] == persona.facts[fact_of(persona)] == row["completion"][0]["content"]
        assert (persona.full_name in question) == (row["hops"] == 1)
        assert row["answer"] not in question
    asked = {(row["persona_id"], row["view"], row["hops"]) for row in found}
    assert len(asked) == len(found)


def test_facts_take_turns():
    assert [fact_of(persona) for persona in PERSONAS] == [*FACT_ATTRIBUTES, FACT_ATTRIBUTES[0]]


def test_no_question_is_met_in_two_families():
    questions = {split: {row["prompt"][0]["content"] for row in rows(IMAGE, split)} for split in IMAGE.splits}
    assert all(not questions[one] & questions[other] for one, other in combinations(questions, 2))
