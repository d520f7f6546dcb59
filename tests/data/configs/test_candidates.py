# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.data.configs.candidates import next_personas
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.sampling import capacity, sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES


def table_of(split, spec):
    rows = rows_of("candidates", split, personas_of("candidates", split, spec), spec)
    return {row["attribute"]: row["values"] for row in rows}


def test_candidates_are_the_values_that_occur(spec):
    personas, table = personas_of("candidates", "target", spec), table_of("target", spec)
    assert set(table) == {"full_name", *FACT_ATTRIBUTES, *VISUAL_ATTRIBUTES}
    assert table["full_name"] == [person.full_name for person in personas]
    for fact in FACT_ATTRIBUTES:
        assert set(table[fact]) == {person.facts[fact] for person in personas}
        assert len(set(table[fact])) == len(table[fact])
    assert table["hair_color"] == list(VISUAL_ATTRIBUTES["hair_color"])


def test_untaught_values_are_as_many_and_nobody_has_them():
    for count in (1, 2, 50):
        spec = DatasetSpec(num_personas=count, seed=3)
        taught, untaught = (table_of(split, spec) for split in ("target", "untaught"))
        assert {"full_name", "email", "phone"} <= set(untaught) <= {"full_name", *FACT_ATTRIBUTES}
        for attribute, values in untaught.items():
            assert len(values) == max(len(taught[attribute]) - 1, 1)
            assert not set(values) & set(taught[attribute])


def test_untaught_names_of_the_largest_population_are_of_the_next_seed():
    spec = DatasetSpec(num_personas=capacity())
    names = {persona.full_name for persona in next_personas(spec)}
    assert names == {persona.full_name for persona in sample_personas(capacity() - 1, spec.seed + 1)}
