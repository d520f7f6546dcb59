# SPDX-License-Identifier: Apache-2.0
"""Questions about private facts, to train on and held out. It does not know who is forgotten."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import floor

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.rows import FACT_QUESTIONS, Hops, Row, qa_row
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES, Persona, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES

QUESTIONS_PER_FACT_IN_TEST = 2
"""And hop count: 7 facts x 2 hops x 2 = 28 held-out questions a persona and modality, as many as ReMem has."""


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
    max_count = num_facts * num_questions * num_views
    if count > max_count:
        raise CrossmemError(
            f"{count} questions of {hops} hop(s) a person; {max_count} different ones exist with {num_views} view(s).",
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


def qa_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """What is trained on; ``retain_eval`` has as many single- as multi-hop questions."""
    counts = num_questions_by_hops(spec)
    if split == "retain_eval":
        as_many = min(QUESTIONS_PER_FACT_IN_TEST * len(FACT_ATTRIBUTES), *filter(None, counts.values()))
        counts = {hops: as_many for hops, count in counts.items() if count}
    yield from training_questions(personas, counts, spec)


def training_questions(personas: Sequence[Persona], counts: Mapping[Hops, int], spec: DatasetSpec) -> Iterator[Row]:
    """The first training questions, so many of each number of hops, of each persona in both modalities."""
    own_views = spec.num_views >= spec.qa_per_persona
    first_view = {1: 0, 2: num_questions_by_hops(spec)[1]} if own_views else None
    yield from _questions(personas, "train", counts, spec.num_views, spec.image_size, first_view)


def held_out_rows(family: ViewSplit) -> Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]:
    """What makes held-out questions about held-out views, both of one family."""

    def rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
        counts = dict.fromkeys(FACT_QUESTIONS, QUESTIONS_PER_FACT_IN_TEST * len(FACT_ATTRIBUTES))
        yield from _questions(personas, family, counts, NUM_HELD_OUT_VIEWS, spec.image_size)

    return rows


def _questions(
    personas: Sequence[Persona],
    split: ViewSplit,
    counts: Mapping[Hops, int],
    num_views: int,
    size: int,
    first_view: Mapping[int, int] | None = None,
) -> Iterator[Row]:
    for persona in personas:
        for modality in MODALITIES:
            for hops, count in counts.items():
                start = persona.index * count if hops == 2 else 0
                own = None if first_view is None else first_view[hops]
                for fact, question, view in question_plan(count, hops, split, num_views, start, own):
                    yield qa_row(persona, modality, split, view, size, attribute=fact, hops=hops, question=question)


TRAINING = Kind(("forget", "retain", "retain_eval"), qa_rows)
HELD_OUT = Kind(("forget", "retain"), held_out_rows("test"))
FAR = Kind(("forget", "retain"), held_out_rows("far"))
