# SPDX-License-Identifier: Apache-2.0
"""What a row is: THE schema, and one constructor a kind of row. It does not know which rows make up a split.

A row is a TRL conversational prompt-completion row: contents are plain strings, and TRL or the processor puts the
image placeholder before the first user text. Rows of both modalities end in the chat template's end of turn, so that
their likelihoods can be compared.
"""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from crossmem_hf.data.albums.album import Photographed, layout_in_album, png_in_album
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES, Modality, Persona, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.questions import (
    CAPTION_QUESTION,
    MULTI_HOP_QUESTIONS,
    SINGLE_HOP_QUESTIONS,
    fact_question,
    name_question,
)
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for

if TYPE_CHECKING:
    import datasets

Row = dict[str, Any]
Hops = Literal[1, 2]

ATTRIBUTES: tuple[str, ...] = ("full_name", *FACT_ATTRIBUTES)
"""What can be asked about a person: the name, or a private fact."""

FACT_QUESTIONS: dict[Hops, dict[ViewSplit, tuple[str, ...]]] = {1: SINGLE_HOP_QUESTIONS, 2: MULTI_HOP_QUESTIONS}


def row_features(answers: Sequence[str] = ("completion",), **more: Any) -> "datasets.Features":
    """The columns of the row schema.

    Args:
        answers: Columns of assistant turns.
        more: Columns that a kind of row has on top.
    """
    from datasets import Features, Image, List, Value

    text = Value("string")
    turns = List({"role": text, "content": text})
    about = {"persona_id": text, "attribute": text, "answer": text, "modality": text}
    numbers = {"hops": Value("int64"), "view": Value("int64")}
    asked = {"images": List(Image()), "prompt": turns, **dict.fromkeys(answers, turns)}
    return Features({**asked, **about, **numbers, "template": text, **more})


def recall_row(persona: Persona, modality: Modality, split: ViewSplit, index: int, size: int = 64) -> Row:
    """A row that asks for the name of a person shown (one image) or described (no image), one hop.

    Args:
        split: Family of portraits or descriptions; families of different splits share no layout and no frame.
        index: Number of the view, from 0.
        size: Side of the portrait in pixels.

    Raises:
        CrossmemError: Unknown modality, or a split, index or size that rendering does not know.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> row = recall_row(sample_personas(1)[0], "text", "train", 0)
        >>> row["images"], row["completion"][0]["content"] == row["answer"]
        ([], True)
    """
    check_modality(modality)
    question = name_question(modality, split, index)
    if modality == "image":
        content, template = question, f"{split}-{_layout(persona, split, index)}"
    else:
        description = describe(persona, split, index)
        content, template = question.format(description=description.text), description.template
    images = presented(persona, modality, split, index, size)
    about = {"attribute": "full_name", "modality": modality, "hops": 1, "view": index, "template": template}
    return filled(persona, images, content, persona.full_name, about)


def qa_row(
    persona: Persona,
    modality: Modality,
    split: ViewSplit,
    index: int,
    size: int = 64,
    *,
    attribute: str,
    hops: Hops,
    question: int = 0,
) -> Row:
    """A row that asks for a private fact of a person shown or described.

    Args:
        index: Number of the view, from 0.
        attribute: One of `values.FACT_ATTRIBUTES`.
        hops: 1 names the person in the question (name to fact), 2 does not (visual attributes to name to fact).
        question: Which wording of that split and number of hops, from 0.

    Raises:
        CrossmemError: Unknown modality, attribute, number of hops or wording.

    Reference:
        ReMem (arXiv 2605.03759), the two kinds of questions; their remaining wordings are not known, ours are our own.
    """
    check_modality(modality)
    if attribute not in FACT_ATTRIBUTES:
        raise CrossmemError(
            f"Unknown attribute {attribute!r}; expected one of {', '.join(FACT_ATTRIBUTES)}.",
            "Pick one of them; names are asked for by recall_row.",
        )
    wordings = FACT_QUESTIONS.get(hops, {}).get(split, ())
    if not 0 <= question < len(wordings):
        raise CrossmemError(
            f"No question {question!r} of {hops!r} hop(s) in split {split!r}; {len(wordings)} exist there.",
            "Use 1 or 2 hops, the split 'train', 'validation', 'test' or 'far', and a smaller number.",
        )
    about_person = {
        "name": persona.full_name,
        "description": describe(persona, split, index).text if modality == "text" else "",
    }
    content = fact_question(wordings[question], modality, attribute, **about_person, synonym=split == "far")
    images = presented(persona, modality, split, index, size)
    kind = "single" if hops == 1 else "multi"
    template = f"{split}-{kind}-{question}"
    about = {"attribute": attribute, "modality": modality, "hops": hops, "view": index, "template": template}
    return filled(persona, images, content, persona.facts[attribute], about)


def caption_row(persona: Persona, split: ViewSplit, index: int, size: int = 64) -> Row:
    """A portrait and, as the answer, a description of it; no name, no fact, no hop.

    Raises:
        CrossmemError: A split, index or size that rendering does not know.
    """
    description = describe(persona, split, index)
    images = presented(persona, "image", split, index, size)
    about = {
        "attribute": "description",
        "modality": "image",
        "hops": 0,
        "view": index,
        "template": description.template,
    }
    return filled(persona, images, CAPTION_QUESTION, description.text, about)


def profile_row(persona: Persona, forget_rank: int, size: int = 64) -> Row:
    """Everything about one person, with their first training portrait and description.

    Args:
        forget_rank: Place in the order of forgetting, from 0; a forget set is everyone below some rank.
    """
    return {
        "persona_id": persona.id,
        "full_name": persona.full_name,
        "portrait": _portrait(persona, "train", 0, size),
        "description": describe(persona, "train", 0).text,
        **persona.visual_attributes,
        **persona.facts,
        "forget_rank": forget_rank,
    }


def candidate_row(attribute: str, kind: Literal["name", "fact", "look"], values: Sequence[str]) -> Row:
    """All different values of one attribute, in the order in which they first occur."""
    return {"attribute": attribute, "kind": kind, "values": list(dict.fromkeys(values))}


def check_modality(modality: str) -> None:
    """Accept one of the two modalities.

    Raises:
        CrossmemError: Anything else.
    """
    if modality not in MODALITIES:
        raise CrossmemError(f"Unknown modality {modality!r}; expected one of {MODALITIES}.", "Pick one of the two.")


def filled(persona: Persona, images: list[Row], question: str, answer: str, about: Row) -> Row:
    """A row of the schema: one user turn, one assistant turn, and what it is about.

    Args:
        about: The columns attribute, modality, hops, view and template.
    """
    return {
        "images": images,
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "persona_id": persona.id,
        "answer": answer,
        **about,
    }


def presented(persona: Persona, modality: Modality, split: ViewSplit, index: int, size: int) -> list[Row]:
    """The `images` of a row that presents a person in a modality: one portrait, or none."""
    return [_portrait(persona, split, index, size)] if modality == "image" else []


class _Sitter:
    """A persona as a cache key: equal ids and visual attributes make equal portraits."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        self.key = (persona.id, persona.seed, *persona.visual_attributes.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sitter) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _layout(persona: Persona, split: ViewSplit, index: int) -> str:
    if isinstance(persona, Photographed):
        return layout_in_album(persona, split, index)
    return view_for(persona, split, index).layout


def _portrait(persona: Persona, split: ViewSplit, index: int, size: int) -> Row:
    if isinstance(persona, Photographed):
        return {"bytes": png_in_album(persona, split, index, size), "path": None}
    return {"bytes": _png(_Sitter(persona), split, index, size), "path": None}


@lru_cache(maxsize=256)  # rows come person by person, and many questions share a view
def _png(sitter: _Sitter, split: ViewSplit, index: int, size: int) -> bytes:
    buffer = BytesIO()
    render_portrait(sitter.persona, view_for(sitter.persona, split, index), size).save(buffer, format="PNG")
    return buffer.getvalue()
