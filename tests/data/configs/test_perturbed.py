# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest

from crossmem_hf.data.configs.perturbed import NUM_FALSE, perturbed_row
from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.rows import ATTRIBUTES
from crossmem_hf.data.spec import DatasetSpec


@pytest.fixture(scope="module")
def made(spec):
    return [
        row
        for split in SPLITS["perturbed"]
        for row in rows_of("perturbed", split, personas_of("perturbed", split, spec), spec)
    ]


def test_every_attribute_is_asked_through_both_modalities(made, spec):
    assert all(set(row) == set(features_of("perturbed")) for row in made)
    counts = Counter((row["attribute"], row["modality"], row["hops"]) for row in made)
    assert set(counts.values()) == {spec.num_personas}
    assert {attribute for attribute, _, _ in counts} == set(ATTRIBUTES)
    assert len(counts) == 2 * (1 + 2 * (len(ATTRIBUTES) - 1))


def test_false_answers_differ_from_the_truth_and_from_everybodys(made, spec):
    personas = personas_of("candidates", "target", spec)
    own = {fact: {person.facts[fact] for person in personas} for fact in ATTRIBUTES[1:]}
    own["full_name"] = {person.full_name for person in personas}
    for row in made:
        assert len(set(row["perturbed_answer"])) == NUM_FALSE
        assert row["answer"] not in row["perturbed_answer"]
        if row["attribute"] != "medical_condition":  # 24 conditions for everyone
            assert not own[row["attribute"]] & set(row["perturbed_answer"])


def test_sentences_differ_in_the_value_alone(made):
    for row in made:
        assert row["answer"] in row["paraphrased_answer"] != row["answer"]
        for value, sentence in zip(row["perturbed_answer"], row["perturbed_paraphrase"], strict=True):
            assert sentence == row["paraphrased_answer"].replace(row["answer"], value)


def test_a_fact_is_perturbed_alike_however_it_is_asked_for(made):
    by_fact = {}
    for row in made:
        by_fact.setdefault((row["persona_id"], row["attribute"]), []).append(row["perturbed_answer"])
    assert all(answers == answers[:1] * len(answers) for answers in by_fact.values())


def test_questions_and_views_are_those_of_training():
    spec = DatasetSpec(num_personas=5, image_size=48)
    personas = personas_of("qa", "retain", spec)
    trained = {
        (row["prompt"][0]["content"], str(row["images"]))
        for config in ("qa", "recall_image", "recall_text")
        for row in rows_of(config, "retain" if config == "qa" else "train", personas, spec)
    }
    single = [row for row in rows_of("perturbed", "retain", personas, spec) if row["hops"] == 1]
    assert all((row["prompt"][0]["content"], str(row["images"])) in trained for row in single)


def test_frames_take_turns():
    rows = [perturbed_row({"attribute": "job", "answer": "baker"}, ["miller"], frame=n) for n in range(4)]
    sentences = [row["paraphrased_answer"] for row in rows]
    assert len(set(sentences)) == 3
    assert sentences[0] == sentences[3]
