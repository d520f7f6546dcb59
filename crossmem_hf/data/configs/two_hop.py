# SPDX-License-Identifier: Apache-2.0
"""Facts taught about names in words alone, and asked of a face: who is shown must be put together with what was read.

Of either link by itself, neither a portrait nor a description ever meets a fact in training. Three kinds of held-out
questions tell failure to compose from ignorance: for the name, for the fact of a name, and, in the same words, for the
fact of whoever is presented. Two more training splits put both links together, about half of the personas, so that the
others can be asked: directly, and with the name said first (``chains``).
"""

from collections.abc import Callable, Iterator, Sequence

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.population import DEMONSTRATED
from crossmem_hf.data.rows import Hops, Row, check_modality, filled, presented, recall_row
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES, Modality, Persona, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.variants import CHAINED_ANSWER, CHAINED_QUESTION, LINK_QUESTIONS, link_question
from crossmem_hf.rendering.prose import describe

NOT_PRESENTED = -1
"""The view of a row that neither shows nor describes anybody."""
_SHOWN_QUESTIONS = 2  # a fact, of demonstrations


def two_hop_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """What is trained on: from faces or descriptions to names, from names to facts; of some also both at once."""
    for persona in personas:
        if split == "facts":
            yield from _facts(persona, "train")
        elif split in DEMONSTRATED:
            yield from _demonstrations(persona, spec, chained=split == "chained")
        else:
            modality: Modality = "image" if split == "bridge_image" else "text"
            for index in range(spec.num_views):
                yield recall_row(persona, modality, "train", index, spec.image_size)


def held_out_rows(family: ViewSplit) -> Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]:
    """What makes the questions: either link by itself, or both at once; views and words of one held-out family."""

    def rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
        for persona in personas:
            if split == "facts":
                yield from _facts(persona, family)
            elif split == "bridge":
                for modality in MODALITIES:
                    for index in range(NUM_HELD_OUT_VIEWS):
                        yield recall_row(persona, modality, family, index, spec.image_size)
            else:
                yield from _compositions(persona, family, spec.image_size, chained=split == "chains")

    return rows


def _facts(persona: Persona, split: ViewSplit) -> Iterator[Row]:
    for fact in FACT_ATTRIBUTES:
        for question in range(len(LINK_QUESTIONS[split])):
            yield named_fact_row(persona, split, attribute=fact, question=question)


def _compositions(persona: Persona, split: ViewSplit, size: int, *, chained: bool) -> Iterator[Row]:
    for modality in MODALITIES:
        for place, fact in enumerate(FACT_ATTRIBUTES):
            for question in range(len(LINK_QUESTIONS[split])):
                about: Row = {"attribute": fact, "question": question, "chained": chained}
                view = (place + question) % NUM_HELD_OUT_VIEWS
                yield composed_row(persona, modality, split, view, size, **about)


def _demonstrations(persona: Persona, spec: DatasetSpec, *, chained: bool) -> Iterator[Row]:
    """Views and wordings take turns."""
    for modality in MODALITIES:
        for number in range(_SHOWN_QUESTIONS * len(FACT_ATTRIBUTES)):
            view, question = number % spec.num_views, number % len(LINK_QUESTIONS["train"])
            fact = FACT_ATTRIBUTES[number % len(FACT_ATTRIBUTES)]
            about: Row = {"attribute": fact, "question": question, "chained": chained}
            yield composed_row(persona, modality, "train", view, spec.image_size, **about)


def named_fact_row(persona: Persona, split: ViewSplit, *, attribute: str, question: int = 0) -> Row:
    """A row that asks for a private fact of a name, without a portrait and without a description; one hop.

    Args:
        split: Family of questions: "train", "test" or "far", which share no wording.
        attribute: One of `values.FACT_ATTRIBUTES`.
        question: Which wording of that split, from 0.

    Raises:
        CrossmemError: Unknown attribute or wording.
    """
    content = _question(split, attribute, question, name=persona.full_name, modality="text")
    about = _about(attribute, "text", 1, NOT_PRESENTED, f"{split}-link-{question}")
    return filled(persona, [], content, persona.facts[attribute], about)


def composed_row(
    persona: Persona,
    modality: Modality,
    split: ViewSplit,
    index: int,
    size: int = 64,
    *,
    attribute: str,
    question: int = 0,
    chained: bool = False,
) -> Row:
    """A row that asks, in the words of `named_fact_row`, for a private fact of a persona shown or described; two hops.

    Args:
        chained: Ask for the name before the fact, and answer with both (`variants.CHAINED_QUESTION`).

    Raises:
        CrossmemError: Unknown modality, attribute or wording.
    """
    check_modality(modality)
    content = _question(split, attribute, question, name=None, modality=modality)
    answer, kind = persona.facts[attribute], "link"
    if chained:
        content, kind = CHAINED_QUESTION.format(question=content), "chain"
        answer = CHAINED_ANSWER.format(name=persona.full_name, value=answer)
    if modality == "text":
        content = f"{describe(persona, split, index).text} {content}"
    about = _about(attribute, modality, 2, index, f"{split}-{kind}-{question}")
    return filled(persona, presented(persona, modality, split, index, size), content, answer, about)


def _about(attribute: str, modality: Modality, hops: Hops, view: int, template: str) -> Row:
    return {"attribute": attribute, "modality": modality, "hops": hops, "view": view, "template": template}


def _question(split: ViewSplit, attribute: str, question: int, *, name: str | None, modality: Modality) -> str:
    wordings = LINK_QUESTIONS.get(split, ())
    if attribute not in FACT_ATTRIBUTES or not 0 <= question < len(wordings):
        raise CrossmemError(
            f"No question {question!r} for {attribute!r} in split {split!r}; {len(wordings)} exist there, "
            f"for {', '.join(FACT_ATTRIBUTES)}.",
            "Use the split 'train', 'test' or 'far', a smaller number and one of these attributes.",
        )
    return link_question(wordings[question], attribute, name=name, modality=modality, synonym=split == "far")


TRAINING = Kind(("bridge_image", "bridge_text", "facts", *DEMONSTRATED), two_hop_rows)
HELD_OUT = Kind(("bridge", "facts", "two_hop", "chains"), held_out_rows("test"))
FAR = Kind(("bridge", "facts", "two_hop", "chains"), held_out_rows("far"))
