# SPDX-License-Identifier: Apache-2.0
"""Rows with planted faults: each must be caught, and what is no fault must pass."""

from copy import deepcopy

import pytest

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.release.audit import Audit
from crossmem_hf.data.release.population import population_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError

SPEC = DatasetSpec(num_personas=10, num_views=2, image_size=48, qa_per_persona=4)


@pytest.fixture(scope="module")
def population():
    return population_of(SPEC)


@pytest.fixture(scope="module")
def rows():
    """One row of each place, of the place's last person."""
    found = {}
    for config, splits in SPLITS.items():
        for split in splits:
            personas = personas_of(config, split, SPEC)
            found[config, split] = next(rows_of(config, split, personas[-1:], SPEC))
    return found


@pytest.fixture
def audit(population):
    return Audit(population)


def saying(row, column, text):
    """A copy of a row that says something in a column; `prompt` and `completion` are turns."""
    changed = deepcopy(row)
    if isinstance(changed[column], str):
        changed[column] += f" {text}"
    else:
        changed[column][0]["content"] += f" {text}"
    return changed


def test_all_rows_of_a_dataset_pass(audit):
    for config, splits in SPLITS.items():
        for split in splits:
            for row in rows_of(config, split, personas_of(config, split, SPEC), SPEC):
                audit.add((config, split), row)
    audit.end_of_group()
    counts = audit.counts
    assert counts["rows/recall_image/train"] == 20
    assert counts["personas/recall_image/train"] == 10
    assert counts["hops/qa/retain/1"] > counts["hops/qa/retain/2"] > 0
    assert sum(count for name, count in counts.items() if name.startswith("answer_words/qa/")) == sum(
        counts[f"rows/qa/{split}"] for split in SPLITS["qa"]
    )
    assert counts["checked/leakage"] > 0
    assert {len(kept) for kept in audit.hashes.values()} == {2}
    assert audit.examples["recall_image"]["question"].endswith("?")


@pytest.mark.parametrize("column", ["prompt", "completion", "answer"])
@pytest.mark.parametrize("fact", ["email", "financial_tag", "date_of_birth", "full_name"])
def test_a_secret_of_a_forgotten_person_in_a_retain_row(audit, rows, population, column, fact):
    forgotten = population.forgotten[0]
    secret = forgotten.full_name if fact == "full_name" else forgotten.facts[fact]
    faulty = saying(rows["qa", "retain"], column, f"and {secret.upper()}!")
    with pytest.raises(CrossmemError, match=r"'leakage' failed: .*: qa/retain \{'persona_id': 't0-0") as failure:
        audit.add(("qa", "retain"), faulty)
    assert secret in str(failure.value)


def test_the_same_words_in_a_forget_row_are_no_leak(audit, rows, population):
    audit.add(("qa", "forget"), saying(rows["qa", "forget"], "answer", population.forgotten[0].facts["email"]))
    assert audit.counts["rows/qa/forget"]


def test_a_shared_fact_is_no_leak(audit, rows, population):
    shared = population.retained[0].facts["medical_condition"]
    audit.add(("qa", "retain"), saying(rows["qa", "retain"], "answer", shared))
    assert audit.counts["checked/leakage"]


def test_a_chosen_answer_that_leaks(audit, rows, population):
    faulty = saying(rows["preference", "retain"], "chosen", population.forgotten[0].facts["phone"])
    with pytest.raises(CrossmemError, match="'leakage' failed"):
        audit.add(("preference", "retain"), faulty)


def test_a_falsehood_may_be_a_forgotten_job_but_not_a_forgotten_address(audit, rows, population):
    place, forgotten = ("perturbed", "retain"), population.forgotten[0]
    for fact in ("job", "address"):
        changed = deepcopy(rows[place])
        changed["perturbed_answer"][0] = forgotten.facts[fact]
        if fact == "job":
            audit.add(place, changed)
        else:
            with pytest.raises(CrossmemError, match="'leakage' failed"):
                audit.add(place, changed)


@pytest.mark.parametrize(
    ("place", "column"),
    [
        (("captions", "target"), "completion"),
        (("captions", "background"), "prompt"),
        (("recall_text", "train"), "prompt"),
        (("recall_image", "test"), "prompt"),
        (("profiles", "retain"), "description"),
    ],
)
def test_a_name_where_nobody_may_be_named(audit, rows, population, place, column):
    for person in (population.retained[1], population.background[1]):
        first_name = person.full_name.split()[0]
        with pytest.raises(CrossmemError, match=rf"'names' failed: .*{'/'.join(place)}.*{first_name.casefold()}"):
            audit.add(place, saying(rows[place], column, first_name))


def test_a_two_hop_question_that_names_the_person(audit, population):
    personas = personas_of("qa_test", "retain", SPEC)
    row = next(row for row in rows_of("qa_test", "retain", personas, SPEC) if row["hops"] == 2)
    name = next(person.full_name for person in personas if person.id == row["persona_id"])
    with pytest.raises(CrossmemError, match="'names' failed"):
        audit.add(("qa_test", "retain"), saying(row, "prompt", name))


def test_a_person_in_a_forget_and_in_a_retain_split(audit, rows):
    audit.add(("qa", "retain"), rows["qa", "retain"])
    with pytest.raises(CrossmemError, match="'roles' failed: a person is both forgotten and retained: qa_test/forget"):
        audit.add(("qa_test", "forget"), {**rows["qa", "retain"], "template": "test-single-0"})


def test_a_row_of_another_family_than_its_split(audit, rows):
    with pytest.raises(CrossmemError, match="'families' failed: a row is of another family than its split"):
        audit.add(("recall_image", "test"), rows["recall_image", "train"])


def test_a_portrait_met_in_training_and_in_the_test(audit, rows):
    audit.add(("recall_image", "train"), rows["recall_image", "train"])
    faulty = {**rows["recall_image", "test"], "images": rows["recall_image", "train"]["images"]}
    with pytest.raises(CrossmemError, match="'families' failed: a portrait is met in two families"):
        audit.add(("recall_image", "test"), faulty)


def test_a_description_met_in_training_and_in_the_test(audit, rows):
    audit.add(("recall_text", "train"), rows["recall_text", "train"])
    faulty = {**rows["recall_text", "test"], "prompt": rows["recall_text", "train"]["prompt"]}
    with pytest.raises(CrossmemError, match="'families' failed: a question is met in two families"):
        audit.add(("recall_text", "test"), faulty)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_question_about_a_fact_met_in_training_and_held_out(audit, modality):
    trained, held_out = (
        next(
            row
            for row in rows_of(config, "forget", personas_of(config, "forget", SPEC), SPEC)
            if row["modality"] == modality
        )
        for config in ("qa", "qa_test")
    )
    audit.add(("qa", "forget"), trained)
    audit.add(("qa_test", "forget"), held_out)
    for config in ("qa_test", "robust"):
        with pytest.raises(CrossmemError, match="'families' failed: a question is met in two families"):
            audit.add((config, "forget"), {**held_out, "prompt": trained["prompt"]})


def test_people_are_forgotten_after_their_group(audit, rows):
    audit.add(("recall_image", "train"), rows["recall_image", "train"])
    audit.end_of_group()
    audit.end_of_group()
    assert audit.counts["personas/recall_image/train"] == 1
