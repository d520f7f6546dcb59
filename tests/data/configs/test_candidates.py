# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES


def test_candidates_are_the_values_that_occur(spec):
    personas = personas_of("candidates", "target", spec)
    table = {row["attribute"]: row["values"] for row in rows_of("candidates", "target", personas, spec)}
    assert set(table) == {"full_name", *FACT_ATTRIBUTES, *VISUAL_ATTRIBUTES}
    assert table["full_name"] == [person.full_name for person in personas]
    for fact in FACT_ATTRIBUTES:
        assert set(table[fact]) == {person.facts[fact] for person in personas}
        assert len(set(table[fact])) == len(table[fact])
    assert table["hair_color"] == list(VISUAL_ATTRIBUTES["hair_color"])
