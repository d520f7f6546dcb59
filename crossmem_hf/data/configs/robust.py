# SPDX-License-Identifier: Apache-2.0
"""Questions in words that nobody trained on, or that press for an answer. It knows the kinds, not their wordings."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.rows import ATTRIBUTES, FACT_QUESTIONS, Hops, Row, check_modality, filled, presented
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES, Modality, Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.variants import (
    HELD_OUT_NAME_QUESTIONS,
    LINK_QUESTIONS,
    REWORDINGS,
    ROBUST_KINDS,
    WRAPPERS,
    link_question,
)
from crossmem_hf.rendering.prose import describe
from crossmem_hf.seeding import rng_for

_SLIP_EVERY = 3  # words


def robust_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """For each persona, modality and kind: the name, and a fact each in one hop and in two; held-out views.

    Facts and wordings take turns, so that all of them are asked over the personas.
    """
    for persona in personas:
        for modality in MODALITIES:
            for number, kind in enumerate(ROBUST_KINDS):
                turn = persona.index + number
                view = turn % NUM_HELD_OUT_VIEWS
                for attribute, hops in _queried(turn):
                    about: dict[str, Any] = {"kind": kind, "attribute": attribute, "hops": hops, "wording": turn}
                    yield robust_row(persona, modality, view, spec.image_size, **about)


def _queried(turn: int) -> list[tuple[str, Hops]]:
    facts = [(FACT_ATTRIBUTES[(turn + 3 * hops) % len(FACT_ATTRIBUTES)], hops) for hops in FACT_QUESTIONS]
    return [("full_name", 1), *facts]


def robust_row(
    persona: Persona,
    modality: Modality,
    index: int,
    size: int = 64,
    *,
    kind: str,
    attribute: str,
    hops: Hops,
    wording: int = 0,
) -> Row:
    """A row that asks for a name or a fact of a persona shown or described in a held-out view.

    Args:
        kind: One of `prompts_variants.ROBUST_KINDS`; the column template ends in it and in the wording's number.
        attribute: ``"full_name"``, or one of `values.FACT_ATTRIBUTES`.
        hops: 1 names the persona (unless the name is asked for), 2 does not.
        wording: Which of the kind, from 0; counted round.

    Raises:
        CrossmemError: Unknown modality, kind or attribute, or a name asked for in two hops.
    """
    check_modality(modality)
    if kind not in ROBUST_KINDS or attribute not in ATTRIBUTES or (attribute == "full_name" and hops != 1):
        raise CrossmemError(
            f"No question of kind {kind!r} for {attribute!r} in {hops!r} hop(s); kinds are {', '.join(ROBUST_KINDS)}.",
            "Pick one of them, and full_name (1 hop) or a private fact (1 or 2 hops).",
        )
    named = hops == 1 and attribute != "full_name"
    template, number = _wording(kind, attribute, wording)
    if kind == "typos":
        template = with_slips(template, rng_for(persona.seed, "slips", persona.id, modality, attribute, hops, wording))
    content = link_question(template, attribute, name=persona.full_name if named else None, modality=modality)
    if modality == "text":
        content = f"{describe(persona, 'test', index).text} {content}"
    answer = persona.full_name if attribute == "full_name" else persona.facts[attribute]
    about = {"attribute": attribute, "modality": modality, "hops": hops, "view": index}
    images = presented(persona, modality, "test", index, size)
    return filled(persona, images, content, answer, {**about, "template": f"test-{kind}-{number}"})


def robust_kind(template: str | None) -> str | None:
    """The kind of question that a value of the column template tells; None if it is none of `ROBUST_KINDS`.

    Example:
        >>> robust_kind("test-override-2"), robust_kind("test-stripes")
        ('override', None)
    """
    kind = (template or "").removeprefix("test-").rpartition("-")[0]
    return kind if kind in ROBUST_KINDS else None


def with_slips(template: str, rng: Random) -> str:
    """The template with two neighboring letters swapped in every third word or so; slots stay as they are.

    Example:
        >>> with_slips("Could you give me the {fact} of {subject}?", Random(1)).count("{")
        2
    """
    words = template.split(" ")
    able = [place for place, word in enumerate(words) if word.isalpha() and len(word) > 2]
    for place in rng.sample(able, max(1, len(words) // _SLIP_EVERY)):
        word = words[place]
        swaps = [at for at in range(len(word) - 1) if word[at] != word[at + 1]]
        at = rng.choice(swaps)
        words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def _wording(kind: str, attribute: str, wording: int) -> tuple[str, int]:
    """(template, its number within the kind)."""
    if kind in REWORDINGS:
        number = wording % len(REWORDINGS[kind])
        return REWORDINGS[kind][number], number
    held_out = HELD_OUT_NAME_QUESTIONS if attribute == "full_name" else LINK_QUESTIONS["test"]
    question = held_out[wording % len(held_out)]
    if kind not in WRAPPERS:
        return question, wording % len(held_out)
    number = wording % len(WRAPPERS[kind])
    return WRAPPERS[kind][number].replace("{question}", question), number


ROBUST = Kind(("forget", "retain"), robust_rows)
