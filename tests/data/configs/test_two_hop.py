# SPDX-License-Identifier: Apache-2.0
"""Composition is never trained, both links are, and the test asks for all three in comparable words."""

from collections import Counter

import pytest

from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.configs.two_hop import NOT_PRESENTED, composed_row, named_fact_row
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.variants import LINK_QUESTIONS, SUBJECTS


@pytest.fixture(scope="module")
def made(spec):
    return {
        (config, split): list(rows_of(config, split, personas_of(config, split, spec), spec))
        for config in ("two_hop", "two_hop_test")
        for split in SPLITS[config]
    }


def queried(row):
    return row["prompt"][0]["content"]


def test_a_bridge_is_what_recall_trains_on(made, spec):
    personas = personas_of("recall_image", "train", spec)
    for modality in ("image", "text"):
        assert made["two_hop", f"bridge_{modality}"] == list(rows_of(f"recall_{modality}", "train", personas, spec))
    tested = [row for modality in ("image", "text") for row in rows_of(f"recall_{modality}", "test", personas, spec)]
    assert sorted(map(str, made["two_hop_test", "bridge"])) == sorted(map(str, tested))


def test_facts_are_taught_in_words_about_names_alone(made, spec):
    personas = {person.id: person for person in personas_of("two_hop", "facts", spec)}
    for row in made["two_hop", "facts"]:
        person = personas[row["persona_id"]]
        assert set(row) == set(features_of("two_hop"))
        assert (row["images"], row["hops"], row["view"]) == ([], 1, NOT_PRESENTED)
        assert person.full_name in queried(row)
        assert row["answer"] == person.facts[row["attribute"]]
        assert not any(subject in queried(row) for subject in SUBJECTS.values())
        rest = queried(row).replace(person.full_name, "")
        assert len(rest.split()) <= 12  # no description beside it
    assert Counter(row["attribute"] for row in made["two_hop", "facts"]) == dict.fromkeys(
        FACT_ATTRIBUTES, len(personas) * len(LINK_QUESTIONS["train"])
    )


def test_no_portrait_and_no_description_ever_meets_a_fact_in_training(made, spec):
    personas = personas_of("two_hop", "facts", spec)
    facts = {fact for person in personas for fact in person.facts.values()}
    for modality in ("image", "text"):
        for row in made["two_hop", f"bridge_{modality}"]:
            assert not any(fact in queried(row) or fact in row["answer"] for fact in facts)


def test_composition_is_asked_in_the_words_of_the_direct_question(made, spec):
    personas = {person.id: person for person in personas_of("two_hop_test", "two_hop", spec)}
    direct = {queried(row) for row in made["two_hop_test", "facts"]}
    composed = made["two_hop_test", "two_hop"]
    for row in composed:
        person, subject = personas[row["persona_id"]], SUBJECTS[row["modality"]]
        assert row["hops"] == 2
        assert len(row["images"]) == (row["modality"] == "image")
        assert not any(word in queried(row) for word in person.full_name.split())
        question = queried(row) if row["images"] else queried(row)[queried(row).rindex(". ") + 2 :]
        assert question.replace(subject, person.full_name) in direct
    per_modality = len(personas) * len(FACT_ATTRIBUTES) * len(LINK_QUESTIONS["test"])
    assert Counter(row["modality"] for row in composed) == {"image": per_modality, "text": per_modality}
    assert {row["view"] for row in composed} == set(range(NUM_HELD_OUT_VIEWS))


def test_nothing_that_is_asked_was_trained_on(made):
    seen = [{(queried(row), str(row["images"])) for split in SPLITS[config] for row in made[config, split]}
            for config in ("two_hop", "two_hop_test")]  # fmt: skip
    assert not seen[0] & seen[1]
    assert {row["template"].split("-")[0] for split in SPLITS["two_hop"] for row in made["two_hop", split]} == {
        "train"
    }
    assert {
        row["template"].split("-")[0] for split in SPLITS["two_hop_test"] for row in made["two_hop_test", split]
    } == {"test"}


@pytest.mark.parametrize(
    "change", [{"attribute": "full_name"}, {"question": 8}, {"question": -1}, {"split": "validation"}]
)
def test_unknown_questions_are_errors(person, change):
    where = {"split": "train", "attribute": "job", "question": 0} | change
    split = where.pop("split")
    with pytest.raises(CrossmemError, match=r"No question .* in split"):
        named_fact_row(person, split, **where)
    with pytest.raises(CrossmemError, match=r"No question .* in split"):
        composed_row(person, "image", split, 0, **where)


def test_an_unknown_modality_is_an_error(person):
    with pytest.raises(CrossmemError, match="Unknown modality 'audio'"):
        composed_row(person, "audio", "test", 0, attribute="job")
