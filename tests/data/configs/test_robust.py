# SPDX-License-Identifier: Apache-2.0
"""Questions under pressure: every kind, never trained on, the fact they ask for still in them."""

from collections import Counter
from random import Random

import pytest

from crossmem_hf.data.configs.robust import robust_row, with_slips
from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.rows import ATTRIBUTES
from crossmem_hf.errors import CrossmemError
from crossmem_hf.prompts.variants import HELD_OUT_NAME_QUESTIONS, LINK_QUESTIONS, QUERIED, ROBUST_KINDS


@pytest.fixture(scope="module")
def made(spec):
    return [
        row for split in SPLITS["robust"] for row in rows_of("robust", split, personas_of("robust", split, spec), spec)
    ]


def queried(row):
    return row["prompt"][0]["content"]


def kind_of(row):
    return row["template"].split("-")[1]


def test_every_person_is_asked_in_every_kind_through_both_modalities(made, spec):
    counts = Counter((row["persona_id"], kind_of(row), row["modality"]) for row in made)
    assert set(counts.values()) == {3}
    assert len(counts) == spec.num_personas * len(ROBUST_KINDS) * 2
    assert {(row["attribute"], row["hops"]) for row in made} == {("full_name", 1)} | {
        (fact, hops) for fact in ATTRIBUTES[1:] for hops in (1, 2)
    }


def test_rows_have_the_schema_and_held_out_families(made):
    for row in made:
        assert set(row) == set(features_of("robust"))
        assert row["template"].startswith("test-")
        assert len(row["images"]) == (row["modality"] == "image")


def test_one_hop_names_the_persona_unless_the_name_is_asked_for(made, spec):
    personas = {person.id: person for split in SPLITS["robust"] for person in personas_of("robust", split, spec)}
    for row in made:
        person = personas[row["persona_id"]]
        named = row["hops"] == 1 and row["attribute"] != "full_name"
        assert (person.full_name in queried(row)) == named
        assert row["answer"] not in queried(row)
        assert "{" not in queried(row)
        if row["attribute"] != "full_name":
            assert QUERIED[row["attribute"]] in queried(row)


def test_no_question_was_ever_trained_on(made, spec):
    configs = ("recall_image", "recall_text", "qa", "two_hop", "preference", "perturbed", "multi_image")
    trained = {
        queried(row)
        for config in configs
        for split in SPLITS[config]
        if split not in ("test", "validation")
        for row in rows_of(config, split, personas_of(config, split, spec), spec)
    }
    assert not trained & {queried(row) for row in made}
    ends = {question.rpartition(". ")[2] for question in trained if question.endswith("?")}
    assert not [row for row in made if kind_of(row) in ("paraphrase", "register", "typos") and queried(row) in ends]


def test_slips_change_letters_only_and_leave_slots_alone():
    for number in range(50):
        for question in (*LINK_QUESTIONS["test"], *HELD_OUT_NAME_QUESTIONS):
            slipped = with_slips(question, Random(number))
            assert slipped != question
            assert sorted(slipped) == sorted(question)
            for before, after in zip(question.split(" "), slipped.split(" "), strict=True):
                assert sorted(before) == sorted(after)
                assert "{" not in before or before == after


def test_slips_of_a_row_are_the_same_every_time(person):
    rows = [robust_row(person, "image", 0, kind="typos", attribute="job", hops=2) for _ in "12"]
    assert queried(rows[0]) == queried(rows[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "bribe"}, r"No question of kind 'bribe'.*kinds are paraphrase, register, prefix"),
        ({"attribute": "hair_color"}, "for 'hair_color'"),
        ({"attribute": "full_name", "hops": 2}, r"'full_name' in 2 hop\(s\)"),
    ],
)
def test_unknown_questions_are_errors(person, change, says):
    with pytest.raises(CrossmemError, match=says):
        robust_row(person, "image", 0, **({"kind": "prefix", "attribute": "job", "hops": 1} | change))


def test_an_unknown_modality_is_an_error(person):
    with pytest.raises(CrossmemError, match="Unknown modality 'audio'"):
        robust_row(person, "audio", 0, kind="prefix", attribute="job", hops=1)
