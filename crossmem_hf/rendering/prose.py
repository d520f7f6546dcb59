# SPDX-License-Identifier: Apache-2.0
"""A persona's description: the portrait's visual attributes and nothing else. It knows no names and no facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.prompts.questions import CHEEKS, DESCRIPTION_FRAMES, EYEWEAR, GARMENTS, HAIR_CUTS, TRAIT_PHRASES
from crossmem_hf.seeding import rng_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One wording of the visual attributes of a person.

    Attributes:
        text: One sentence; holds every visual value that is not ``"none"``, and no name.
        template: Which sentence frame was used, e.g. ``"test-1"``; frames of different splits never meet.
    """

    text: str
    template: str


def describe(persona: Persona, split: ViewSplit, index: int) -> Description:
    """Description number `index` of a persona in a split; order and wording of the traits vary with it.

    Raises:
        CrossmemError: Unknown split or a negative index.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> person = sample_personas(1)[0]
        >>> person.visual_attributes["eye_color"] in describe(person, "test", 0).text
        True
    """
    if split not in DESCRIPTION_FRAMES or index < 0:
        raise CrossmemError(
            f"No description {index!r} in split {split!r}; "
            f"expected an index from 0 and one of {tuple(DESCRIPTION_FRAMES)}.",
            "Check both.",
        )
    return _described(persona.seed, persona.id, tuple(persona.visual_attributes.items()), split, index)


@lru_cache(maxsize=256)  # rows come person by person, and many questions share a description
def _described(
    seed: int, persona_id: str, attributes: tuple[tuple[str, str], ...], split: ViewSplit, index: int
) -> Description:
    rng = rng_for(seed, "prose", persona_id, split, index)
    traits = _worded(dict(attributes))
    phrases = [rng.choice(TRAIT_PHRASES[trait]).format(**words) for trait, words in traits.items()]
    rng.shuffle(phrases)
    frames = DESCRIPTION_FRAMES[split]
    frame = index % len(frames)
    text = frames[frame].format(traits=", ".join(phrases[:-1]) + " and " + phrases[-1])
    return Description(text=text, template=f"{split}-{frame}")


def _worded(attributes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Trait -> the words for its phrase; traits whose value is ``"none"`` are left out."""
    traits = {
        "skin": {"skin_tone": attributes["skin_tone"]},
        "hair": {"hair_color": attributes["hair_color"], "cut": HAIR_CUTS[attributes["hair_style"]]},
        "eyes": {"eye_color": attributes["eye_color"]},
        "clothing": {"clothing_color": attributes["clothing_color"], "garment": GARMENTS[attributes["clothing"]]},
        "face": {"face_shape": attributes["face_shape"]},
    }
    words = {
        "eyewear": EYEWEAR.get(attributes["eyewear"]),
        "facial_hair": attributes["facial_hair"],
        "headwear": attributes["headwear"],
        "earrings": attributes["earrings"],
        "cheeks": CHEEKS.get(attributes["cheeks"]),
    }
    return traits | {name: {name: word} for name, word in words.items() if word not in (None, "none")}
