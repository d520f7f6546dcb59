# SPDX-License-Identifier: Apache-2.0
"""Whom base models know: background personas alone, and each list is the beginning of the next."""

from crossmem_hf.personas.background import NUM_NAMED, NUM_SEEN, NUM_UNSEEN, NUM_WITH_FACTS, POPULATION, Background
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES


def test_lists_are_nested_and_only_of_the_background():
    found = Background()
    sizes = [len(part) for part in (found.seen, found.named, found.with_facts, found.unnamed, found.unseen)]
    assert sizes == [NUM_SEEN, NUM_NAMED, NUM_WITH_FACTS, NUM_SEEN - NUM_NAMED, NUM_UNSEEN]
    assert found.named == found.seen[:NUM_NAMED]
    assert found.with_facts == found.named[:NUM_WITH_FACTS]
    everybody = [*found.seen, *found.unseen]
    assert len({one.id for one in everybody}) == len(everybody)
    assert {(one.population, one.seed) for one in everybody} == {("background", POPULATION)}


def test_no_word_of_a_name_is_a_target_personas_in_any_world():
    known = {word for one in Background().named for word in one.full_name.split()}
    for seed in range(10):
        assert not known & {word for one in sample_personas(200, seed) for word in one.full_name.split()}


def test_values_are_those_of_personas_with_facts():
    found = Background()
    assert set(found.values) == set(FACT_ATTRIBUTES)
    assert found.values["job"] == tuple(one.facts["job"] for one in found.with_facts)
