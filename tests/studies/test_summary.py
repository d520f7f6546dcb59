# SPDX-License-Identifier: Apache-2.0
"""Measurements from hand-made answers, against numbers worked out by hand."""

import pytest

from crossmem_hf.metrics.exposure.exposure_math import chance_exposure
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.studies.summary import exposures_by_person, measurements

SEEDS, PEOPLE, VIEWS = (0, 1), 10, 2


def item(seed, person, view, *, stage, source, target, correct, exposure=50.0):
    return {
        "stage": stage,
        "source": source,
        "target": target,
        "seed": seed,
        "persona_id": f"t{seed}-{person}",
        "view": view,
        "question": "Who?",
        "answer": "Ada Moss" if correct else "nobody",
        "truth": "Ada Moss",
        "correct": correct,
        "exposure": exposure,
    }


@pytest.fixture(scope="module")
def items():
    """Learned from images: always right from images, right on the first view from text; person 0 is forgotten."""
    made = []
    for seed in SEEDS:
        for person in range(PEOPLE):
            for view in range(VIEWS):
                where = {"seed": seed, "person": person, "view": view, "source": "image"}
                made.append(item(**where, stage="base", target="image", correct=False, exposure=10.0 * view))
                made.append(item(**where, stage="memorized", target="image", correct=True, exposure=100.0))
                made.append(item(**where, stage="memorized", target="text", correct=view == 0, exposure=60.0))
                made.append(item(**where, stage="unlearned", target="image", correct=person > 0))
                made.append(item(**where, stage="unlearned", target="text", correct=person > 0 and view == 0))
    return made


@pytest.fixture(scope="module")
def found(items):
    return measurements(items, frozenset({"t0-0", "t1-0"}), PEOPLE)


def one(found, **criteria):
    matching = [m for m in found if all(getattr(m, name) == value for name, value in criteria.items())]
    assert len(matching) == 1, (criteria, matching)
    return matching[0]


def test_recall_gap_and_transfer(found):
    where = {"stage": "memorized", "source": "image", "group": "all", "seed": None}
    same = one(found, metric="recall", target="image", **where)
    cross = one(found, metric="recall", target="text", **where)
    gap = one(found, metric="gap", **where)
    assert (same.value, same.n, same.chance) == (1.0, 40, 0.1)
    assert (cross.value, cross.n) == (0.5, 40)
    assert (gap.value, gap.target, gap.chance) == (0.5, "text", None)
    assert one(found, metric="transfer", **where).value == 0.5
    assert cross.ci_low <= 0.5 <= cross.ci_high < 1


def test_each_seed_has_its_own_numbers(found):
    for seed in SEEDS:
        assert one(found, metric="recall", stage="memorized", target="text", group="all", seed=seed).n == 20


def test_groups_are_split(found):
    where = {"metric": "recall", "stage": "unlearned", "target": "image", "seed": None}
    forgotten, retained = one(found, group="forget", **where), one(found, group="retain", **where)
    assert (forgotten.value, forgotten.n, retained.value, retained.n) == (0.0, 4, 1.0, 36)
    assert forgotten.ci_high > 0.5, "two people cannot prove that nobody is remembered"


def test_the_base_stands_for_both_sources_and_every_group(found):
    """What was asked before learning is the baseline of whoever is forgotten later, through either modality."""
    for source in ("image", "text"):
        where = {"metric": "exposure", "stage": "base", "source": source, "target": "image", "seed": None}
        assert one(found, group="forget", **where).value == 5.0
        assert one(found, group="forget", **where).n == 4


def test_half_a_name_counts_in_part(items):
    said = [{**item, "answer": "Ada Brisk", "correct": False} for item in items if item["stage"] == "unlearned"]
    half = measurements(said, frozenset({"t0-0"}), PEOPLE)
    where = {"stage": "unlearned", "target": "image", "group": "all", "seed": 0}
    assert one(half, metric="recall", **where).value == 0.0
    assert one(half, metric="partial_recall", **where).value == 1.0


def test_the_chance_of_half_a_name_counts_shared_words():
    truths = ["Ada Moss", "Ada Brisk", "Bo Lind", "Cy Oz"]
    asked = [
        {**item(0, n, 0, stage="memorized", source="image", target="image", correct=True), "truth": truth}
        for n, truth in enumerate(truths)
    ]
    where = {"metric": "partial_recall", "target": "image", "seed": 0}
    assert one(measurements(asked, frozenset(), 4), group="all", **where).chance == (0.5 + 0.5 + 0.25 + 0.25) / 4
    forgotten = measurements(asked, frozenset({"t0-0"}), 4)
    assert one(forgotten, group="forget", **where).chance == 0.5, "a guesser picks among all names"


def test_answers_that_are_no_names_are_counted(items):
    names = [persona.full_name for persona in sample_personas(2)]
    asked = [
        {**item(0, n, 0, stage="memorized", source="image", target="image", correct=False), "answer": answer}
        for n, answer in enumerate([*names, names[0] + " the second", "SozanSozan"])
    ]
    assert one(measurements(asked, frozenset(), 4), metric="name_shaped", group="all", seed=0).value == 0.5


def test_exposure_has_its_chance_and_direction(found):
    exposure = one(found, metric="exposure", stage="memorized", target="text", group="all", seed=None)
    assert (exposure.value, exposure.unit, exposure.higher_is) == (60.0, "0-100", "more_memorized")
    assert exposure.chance == pytest.approx(chance_exposure(PEOPLE))


def test_one_seed_is_not_also_pooled(items):
    alone = measurements([item for item in items if item["seed"] == 0], frozenset({"t0-0"}), PEOPLE)
    assert {m.seed for m in alone} == {0}


def test_order_of_answers_changes_nothing(items, found):
    assert measurements(items[::-1], frozenset({"t0-0", "t1-0"}), PEOPLE) == found


def test_exposures_are_averaged_over_views(items):
    people = list(exposures_by_person(items, frozenset({"t0-0"})))
    assert len(people) == 2 * 10 * 6, "the base counts for both sources"
    base = [p for p in people if p.stage == "base"]
    assert {p.value for p in base} == {5.0}
    assert {p.persona_id for p in people if p.group == "forget"} == {"t0-0"}
