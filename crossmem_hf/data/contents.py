# SPDX-License-Identifier: Apache-2.0
"""Which people and which rows make up each split of each config. It does not know how rows are stored or published."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import floor

from crossmem_hf.data.configs.multi_image import multi_image_rows
from crossmem_hf.data.configs.perturbed import perturbed_rows
from crossmem_hf.data.configs.preference import preferred
from crossmem_hf.data.configs.robust import robust_rows
from crossmem_hf.data.configs.two_hop import two_hop_rows, two_hop_test_rows
from crossmem_hf.data.population import forget_ranks, portrayed
from crossmem_hf.data.rows import (
    FACT_QUESTIONS,
    Hops,
    Row,
    candidate_row,
    caption_row,
    profile_row,
    qa_row,
    recall_row,
)
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec, check_split
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES, Modality, Persona, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES

QUESTIONS_PER_FACT_IN_TEST = 2
"""And hop count: 7 facts x 2 hops x 2 = 28 held-out questions a person and modality, as many as ReMem has."""


def people_of(config: str, split: str, spec: DatasetSpec) -> list[Persona]:
    """The people whose rows a split holds; forget and retain splits share nobody, nor do background and target.

    Raises:
        CrossmemError: Unknown config or split, a forget or retain set that would be empty, or portraits of others.
    """
    check_split(config, split)
    if split == "background":
        return portrayed(spec, "background")
    people = portrayed(spec)
    if split not in ("forget", "retain", "retain_eval"):
        return people
    forgotten = forget_ids([person.id for person in people], spec.forget_fraction, spec.seed)
    return [person for person in people if (person.id in forgotten) == (split == "forget")]


def rows_of(config: str, split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """The rows of a split, person by person, at constant memory."""
    return _ROWS[config](split, people, spec)


def question_plan(
    count: int, hops: Hops, split: ViewSplit, num_views: int, start: int = 0, own_views_from: int | None = None
) -> Iterator[tuple[str, int, int]]:
    """(fact, question number, view) of each of `count` different questions: facts take turns, then questions.

    Args:
        hops: 1 for questions that name the person, 2 for those that do not.
        start: Rotates the facts, so that people asked fewer questions than there are facts cover all of them together.
        own_views_from: The view of the first question, the next one of the second, and so on, so that no two share
            one; None shares few views among many questions.

    Raises:
        CrossmemError: There are not that many different questions; the message says how many exist.

    Example:
        >>> list(question_plan(2, hops=1, split="train", num_views=1))
        [('email', 0, 0), ('date_of_birth', 0, 0)]
    """
    num_facts, num_questions = len(FACT_ATTRIBUTES), len(FACT_QUESTIONS[hops][split])
    most = num_facts * num_questions * num_views
    if count > most:
        raise CrossmemError(
            f"{count} questions of {hops} hop(s) a person; {most} different ones exist with {num_views} view(s).",
            "Lower qa_per_persona or raise num_views.",
        )
    for number in range(count):
        turn, place = divmod(number, num_facts)
        fact = (place + start) % num_facts
        shared = (turn // num_questions + turn + fact) % num_views
        view = shared if own_views_from is None else own_views_from + number
        yield FACT_ATTRIBUTES[fact], turn % num_questions, view


def num_questions_by_hops(spec: DatasetSpec) -> dict[Hops, int]:
    """Training questions a person and modality, by number of hops.

    Example:
        >>> num_questions_by_hops(DatasetSpec(qa_per_persona=100))
        {1: 70, 2: 30}
    """
    single = floor(spec.single_hop_share * spec.qa_per_persona + 0.5)
    return {1: single, 2: spec.qa_per_persona - single}


def check_questions(spec: DatasetSpec) -> None:
    """Accept a spec that asks for no more different questions than exist.

    Raises:
        CrossmemError: It asks for more.
    """
    for hops, count in num_questions_by_hops(spec).items():
        next(question_plan(count, hops, "train", spec.num_views), None)


def _recall(modality: Modality) -> "Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]":
    def rows(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
        count = spec.num_views if split == "train" else NUM_HELD_OUT_VIEWS
        for person in people:
            for index in range(count):
                yield recall_row(person, modality, _VIEW_SPLITS[split], index, spec.image_size)

    return rows


def _captions(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    for person in people:
        for index in range(spec.num_views):
            yield caption_row(person, "train", index, spec.image_size)


def _questions(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    counts = num_questions_by_hops(spec)
    if split == "retain_eval":
        as_many = min(QUESTIONS_PER_FACT_IN_TEST * len(FACT_ATTRIBUTES), *filter(None, counts.values()))
        counts = {hops: as_many for hops, count in counts.items() if count}
    yield from asked_in_training(people, counts, spec)


def asked_in_training(people: Sequence[Persona], counts: Mapping[Hops, int], spec: DatasetSpec) -> Iterator[Row]:
    """The first training questions, so many of each number of hops, of each person in both modalities."""
    own_views = spec.num_views >= spec.qa_per_persona
    first_view = {1: 0, 2: num_questions_by_hops(spec)[1]} if own_views else None
    yield from _asked(people, "train", counts, spec.num_views, spec.image_size, first_view)


def _held_out_questions(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    counts = dict.fromkeys(FACT_QUESTIONS, QUESTIONS_PER_FACT_IN_TEST * len(FACT_ATTRIBUTES))
    yield from _asked(people, "test", counts, NUM_HELD_OUT_VIEWS, spec.image_size)


def _asked(
    people: Sequence[Persona],
    split: ViewSplit,
    counts: Mapping[Hops, int],
    num_views: int,
    size: int,
    first_view: Mapping[int, int] | None = None,
) -> Iterator[Row]:
    for person in people:
        for modality in MODALITIES:
            for hops, count in counts.items():
                start = person.index * count if hops == 2 else 0
                own = None if first_view is None else first_view[hops]
                for fact, question, view in question_plan(count, hops, split, num_views, start, own):
                    yield qa_row(person, modality, split, view, size, attribute=fact, hops=hops, question=question)


def _profiles(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    rank = forget_ranks(spec.num_personas, spec.seed)
    for person in people:
        yield profile_row(person, rank[person.id], spec.image_size)


def _candidates(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    yield candidate_row("full_name", "name", [person.full_name for person in people])
    for fact in FACT_ATTRIBUTES:
        yield candidate_row(fact, "fact", [person.facts[fact] for person in people])
    for look, pool in VISUAL_ATTRIBUTES.items():
        yield candidate_row(look, "look", list(pool))


def _preferences(split: str, people: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    places = _places(split, spec)
    for person in people:
        recalled = [row for modality in MODALITIES for row in _recall(modality)("train", [person], spec)]
        asked = asked_in_training([person], num_questions_by_hops(spec), spec)
        yield from preferred([*recalled, *asked], places[person.id], spec.seed, refuse=split == "forget")


@lru_cache(maxsize=2)  # rows may be asked for a few people at a time
def _places(split: str, spec: DatasetSpec) -> Mapping[str, int]:
    return {person.id: place for place, person in enumerate(people_of("preference", split, spec))}


_VIEW_SPLITS: dict[str, ViewSplit] = {"train": "train", "validation": "validation", "test": "test"}
_ROWS: dict[str, Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]] = {
    "recall_image": _recall("image"),
    "recall_text": _recall("text"),
    "captions": _captions,
    "qa": _questions,
    "qa_test": _held_out_questions,
    "profiles": _profiles,
    "candidates": _candidates,
    "two_hop": two_hop_rows,
    "two_hop_test": two_hop_test_rows,
    "multi_image": multi_image_rows,
    "robust": robust_rows,
    "perturbed": perturbed_rows,
    "preference": _preferences,
}
