# SPDX-License-Identifier: Apache-2.0
"""Composition is never trained, both links are, and the test asks for all three in comparable words."""

from collections import Counter
from itertools import combinations

import pytest

from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.configs.two_hop import NOT_PRESENTED, composed_row, named_fact_row
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.population import all_personas
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS
from crossmem_hf.prompts.variants import LINK_QUESTIONS, SUBJECTS
from crossmem_hf.rendering.prose import describe

CONFIGS = ("two_hop", "two_hop_test", "two_hop_far")
HELD_OUT = [("two_hop_test", "test"), ("two_hop_far", "far")]


@pytest.fixture(scope="module")
def made(spec):
    return {
        (config, split): list(rows_of(config, split, personas_of(config, split, spec), spec))
        for config in CONFIGS
        for split in SPLITS[config]
    }


def queried(row):
    return row["prompt"][0]["content"]


def test_a_bridge_is_what_recall_trains_on(made, spec):
    personas = personas_of("recall_image", "train", spec)
    for modality in ("image", "text"):
        assert made["two_hop", f"bridge_{modality}"] == list(rows_of(f"recall_{modality}", "train", personas, spec))
    for config, family in HELD_OUT:
        asked = [
            row for modality in ("image", "text") for row in rows_of(f"recall_{modality}", family, personas, spec)
        ]
        assert sorted(map(str, made[config, "bridge"])) == sorted(map(str, asked))


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


def test_demonstrations_put_both_links_together_for_every_other_persona(made, spec):
    personas = {one.id: one for one in all_personas(spec.num_personas, spec.seed)}
    shown = {one.id for one in personas.values() if one.index % 2 == 0}
    assert 0 < len(shown) < len(personas)
    direct = {queried(row) for row in made["two_hop", "facts"]}
    for split in ("composed", "chained"):
        rows = made["two_hop", split]
        assert {row["persona_id"] for row in rows} == shown
        assert Counter(row["modality"] for row in rows) == dict.fromkeys(("image", "text"), 14 * len(shown))
        assert {row["view"] for row in rows} == set(range(spec.num_views))
        for row in rows:
            person, subject = personas[row["persona_id"]], SUBJECTS[row["modality"]]
            described = "" if row["images"] else f"{describe(person, 'train', row['view']).text} "
            question = queried(row).removeprefix(described).removesuffix(" Say the name first.")
            assert question.replace(subject, person.full_name) in direct
            assert (question + " Say the name first." in queried(row)) == (split == "chained")
            fact = person.facts[row["attribute"]]
            assert row["answer"] == (f"{person.full_name}: {fact}" if split == "chained" else fact)


@pytest.mark.parametrize("config", ["two_hop_test", "two_hop_far"])
def test_chains_are_asked_about_everybody(made, config):
    composed, chains = made[config, "two_hop"], made[config, "chains"]
    for one, other in zip(composed, chains, strict=True):
        assert queried(other) == queried(one) + " Say the name first."
        assert other["answer"].endswith(f": {one['answer']}")


@pytest.mark.parametrize(("config", "family"), HELD_OUT)
def test_composition_is_asked_in_the_words_of_the_direct_question(made, spec, config, family):
    personas = {person.id: person for person in personas_of(config, "two_hop", spec)}
    direct = {queried(row) for row in made[config, "facts"]}
    composed = made[config, "two_hop"]
    for row in composed:
        person, subject = personas[row["persona_id"]], SUBJECTS[row["modality"]]
        assert row["hops"] == 2
        assert len(row["images"]) == (row["modality"] == "image")
        assert not any(word in queried(row) for word in person.full_name.split())
        described = "" if row["images"] else f"{describe(person, family, row['view']).text} "
        question = queried(row).removeprefix(described)
        assert question.replace(subject, person.full_name) in direct
    per_modality = len(personas) * len(FACT_ATTRIBUTES) * len(LINK_QUESTIONS[family])
    assert Counter(row["modality"] for row in composed) == {"image": per_modality, "text": per_modality}
    assert {row["view"] for row in composed} == set(range(NUM_HELD_OUT_VIEWS))


def test_nothing_that_is_asked_was_trained_on(made):
    seen = [{(queried(row), str(row["images"])) for split in SPLITS[config] for row in made[config, split]}
            for config in CONFIGS]  # fmt: skip
    assert all(not one & other for one, other in combinations(seen, 2))
    for config, family in (("two_hop", "train"), *HELD_OUT):
        templates = {row["template"] for split in SPLITS[config] for row in made[config, split]}
        assert {template.split("-")[0] for template in templates} == {family}


def test_far_questions_call_facts_by_their_other_names(made):
    for row in (*made["two_hop_far", "facts"], *made["two_hop_far", "two_hop"]):
        assert FACT_SYNONYMS[row["attribute"]] in queried(row)


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
