# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.data.population import all_personas, forget_ranks
from crossmem_hf.data.splits import forget_ids


def test_everyone_is_drawn_once_and_in_order():
    personas = all_personas(6, 1)
    assert [person.id for person in personas] == [f"t1-{index:05d}" for index in range(6)]
    assert all_personas(6, 1) is personas
    assert {person.population for person in all_personas(6, 1, "background")} == {"background"}


def test_ranks_are_the_order_of_forgetting():
    ranks = forget_ranks(20, 3)
    assert sorted(ranks.values()) == list(range(20))
    for fraction in (0.05, 0.1, 0.5):
        forgotten = forget_ids(list(ranks), fraction, 3)
        assert forgotten == {persona_id for persona_id, rank in ranks.items() if rank < len(forgotten)}
