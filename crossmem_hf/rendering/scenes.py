# SPDX-License-Identifier: Apache-2.0
"""What an image model is asked for: the visual attributes of a persona, and the scene of a view. It knows no model.

The visual attributes are the same in every prompt of a persona; only pose, place and light change from view to view.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.prompts.portraits import (
    ANCHOR_PROMPT,
    CHEEKS,
    CLOTHES,
    EYEWEAR,
    HAIR,
    LIGHTS,
    PLACES,
    POSES,
    TRAITS,
    VIEW_PROMPT,
)
from crossmem_hf.seeding import rng_for

ANCHOR_LAYOUT = "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One picture to be made.

    Attributes:
        prompt: Holds every visual value that is not ``"none"``; no name, no fact.
        layout: The place by its short name; layouts of different splits never meet.
    """

    prompt: str
    layout: str


def scene_for(persona: Persona, split: ViewSplit, index: int) -> Scene:
    """View number `index` of a persona in a split; the same on every machine.

    Raises:
        CrossmemError: Unknown split or a negative index.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> person = sample_personas(1)[0]
        >>> scene_for(person, "test", 0).layout in PLACES["test"]
        True
    """
    if split not in PLACES or index < 0:
        raise CrossmemError(
            f"No scene {index!r} in split {split!r}; expected an index from 0 and one of {tuple(PLACES)}.",
            "Check both.",
        )
    rng = rng_for(persona.seed, "scene", persona.id, split, index)
    layout = rng.choice(tuple(PLACES[split]))
    pose, light = rng.choice(POSES[split]), rng.choice(LIGHTS[split])
    attributes = attributes_in_words(persona.visual_attributes)
    return Scene(
        prompt=VIEW_PROMPT.format(attributes=attributes, pose=pose, place=PLACES[split][layout], light=light),
        layout=layout,
    )


def anchor_scene(persona: Persona) -> Scene:
    """The portrait that all views of a persona are made from."""
    return Scene(
        prompt=ANCHOR_PROMPT.format(attributes=attributes_in_words(persona.visual_attributes)), layout=ANCHOR_LAYOUT
    )


def attributes_in_words(attributes: Mapping[str, str]) -> str:
    """All visual values but ``"none"``, as an image model is told them.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> attributes_in_words(sample_personas(1)[0].visual_attributes)
        'brown skin, black hair in a bun, ...'
    """
    words: dict[str, str | None] = {
        **attributes,
        "hair": HAIR[attributes["hair_style"]].format(**attributes),
        "clothes": CLOTHES[attributes["clothing"]].format(**attributes),
        "eyewear": EYEWEAR.get(attributes["eyewear"]),
        "cheeks": CHEEKS.get(attributes["cheeks"]),
    }
    said = {
        trait: phrase for trait, phrase in TRAITS.items() if trait not in words or words[trait] not in (None, "none")
    }
    return ", ".join(phrase.format(**words) for phrase in said.values())
