# SPDX-License-Identifier: Apache-2.0
"""The personas of a record: who is there, whose answers are shown, a value each."""

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.personas import cast, examples, persona_items
from crossmem_hf.studies.settings import StudySettings

SETTINGS = StudySettings(num_personas=10, seeds=2, seed=3)


def prediction(persona_id, *, view=0, exposure=50.0, seed=3, **more):
    about = {"question": "Who?", "answer": "Bo", "truth": "Ada", "correct": False, "modality": "text"}
    about |= {"attribute": "full_name"}
    return {
        **about,
        "persona_id": persona_id,
        "view": view,
        "exposure": exposure,
        "seed": seed,
        "group": "retain",
        **more,
    }


def test_cast_has_every_seed_and_says_who_is_forgotten():
    members = list(cast(SETTINGS))
    assert [sum(member.seed == seed for member in members) for seed in (3, 4)] == [10, 10]
    assert [sum(member.forgotten for member in members if member.seed == seed) for seed in (3, 4)] == [2, 2]
    assert len({member.persona_id for member in members}) == 20


def test_examples_are_first_views_of_two_forgotten_and_two_retained():
    ids = [member.persona_id for member in cast(SETTINGS)]
    queried = [prediction(one, view=view, stage="base", source="image") for one in ids for view in (0, 1)]
    ranked = [{name: value for name, value in one.items() if name not in ("answer", "correct")} for one in queried]
    found = list(examples(SETTINGS, Predictions([*queried, *ranked])))
    assert [one.forgotten for one in found] == [True, True, False, False]
    assert {one.where["seed"] for one in found} == {3}
    assert found[0].where == {"stage": "base", "source": "image", "target": "text", "seed": 3}


def test_persona_items_are_means_over_views_of_what_is_a_number():
    queried = [
        prediction("p", exposure=40.0, method="npo"),
        prediction("p", exposure=60.0, method="npo", view=1),
        prediction("p", exposure=None, method="ga"),
        prediction("p", exposure=10.0, method="npo", seed=4),
        prediction("p", exposure=0.0, method="npo", attribute="job"),
    ]
    found = list(persona_items(Predictions(queried)))
    assert [(one.value, one.n, one.where["seed"]) for one in found] == [(50.0, 2, 3), (10.0, 1, 4)]
    assert found[0].where == {"method": "npo", "target": "text", "group": "retain", "persona_id": "p", "seed": 3}
