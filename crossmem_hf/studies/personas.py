# SPDX-License-Identifier: Apache-2.0
"""The personas of a record: who they are, some of their answers, a value each. It knows no study."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona
from crossmem_hf.report.record import NEAREST, CastMember, Example, Measurement, Value
from crossmem_hf.studies.settings import StudySettings

_ABOUT = ("stage", "source", "method", "forget_modality")


def personas_of(settings: StudySettings) -> list[Persona]:
    """The personas of all seeds."""
    return [persona for seed in settings.all_seeds for persona in sample_personas(settings.num_personas, seed)]


def cast(settings: StudySettings) -> Iterator[CastMember]:
    """Every persona, and whether it was to be forgotten."""
    forgotten = frozenset[str]().union(*(forgotten_ids(settings.spec(seed)) for seed in settings.all_seeds))
    for persona in personas_of(settings):
        yield CastMember(
            persona_id=persona.id,
            full_name=persona.full_name,
            forgotten=persona.id in forgotten,
            seed=persona.seed,
        )


def examples(settings: StudySettings, predictions: Predictions) -> Iterator[Example]:
    """The first view of the first two forgotten and the first two retained personas of the first seed."""
    members = [member for member in cast(settings) if member.seed == settings.all_seeds[0]]
    chosen = [
        *[member for member in members if member.forgotten][:2],
        *[member for member in members if not member.forgotten][:2],
    ]
    said = [one for one in predictions if "answer" in one and one.get("stage") != NEAREST]
    for member in chosen:
        for one in said:
            if one["persona_id"] == member.persona_id and one["view"] == 0:
                yield Example(
                    persona_id=member.persona_id,
                    full_name=member.full_name,
                    where={**_about(one), "target": one["modality"], "seed": member.seed},
                    question=one["question"],
                    answer=one["answer"],
                    truth=one["truth"],
                    correct=one["correct"],
                    forgotten=member.forgotten,
                )


def persona_items(predictions: Predictions) -> Iterator[Measurement]:
    """Exposure of each persona's name in each cell and modality asked in: the mean over held-out views."""
    found: dict[tuple[tuple[str, Value], ...], list[float]] = defaultdict(list)
    for one in predictions.where(attribute="full_name"):
        if one.get("exposure") is None:  # not ranked; or weights blew up, and a likelihood is no number
            continue
        where = _about(one) | {"target": one["modality"], "group": one["group"], "seed": one["seed"]}
        found[tuple({**where, "persona_id": one["persona_id"]}.items())].append(one["exposure"])
    for items, values in found.items():
        yield Measurement(
            metric="exposure",
            where=dict(items),
            value=sum(values) / len(values),
            n=len(values),
            unit="0-100",
            greater_means="more memorized",
        )


def _about(prediction: Mapping[str, Value]) -> dict[str, Value]:
    return {name: prediction[name] for name in _ABOUT if prediction.get(name) is not None}
