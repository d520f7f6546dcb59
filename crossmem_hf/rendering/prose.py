# SPDX-License-Identifier: Apache-2.0
"""A persona's description: the portrait's visual attributes and nothing else. It knows no names and no facts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.prompts.questions import CHEEKS, DESCRIPTION_FRAMES, EYEWEAR, GARMENTS, HAIR_CUTS, TRAIT_PHRASES
from crossmem_hf.prompts.synonyms import FILLERS, SYNONYMS
from crossmem_hf.prompts.synonyms import TRAIT_PHRASES as OTHER_PHRASES
from crossmem_hf.seeding import rng_for

_PLAIN = {"hair_style": HAIR_CUTS, "clothing": GARMENTS, "eyewear": EYEWEAR, "cheeks": CHEEKS}
"""Visual attribute -> what near views say for its values, where it is not the value itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One wording of the visual attributes of a person.

    Attributes:
        text: One sentence; says every visual value that is not ``"none"``, and no name.
        template: Which sentence frame was used, e.g. ``"test-1"``; frames of different splits never meet.
    """

    text: str
    template: str


def describe(persona: Persona, split: ViewSplit, index: int) -> Description:
    """Description number `index` of a persona in a split; order and wording of the traits vary with it.

    Those of ``far`` have synonyms for all values. Those of ``wide``, which background personas are described by to
    base models, have either word, and words without meaning between them.

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
    phrases = [rng.choice(ways).format(**words) for ways, words in _traits(dict(attributes), split, rng)]
    rng.shuffle(phrases)
    frames = DESCRIPTION_FRAMES[split]
    frame = index % len(frames)
    if split == "wide":
        phrases = [f"{strewn(rng, 1)} {phrase}" if rng.random() < 0.2 else phrase for phrase in phrases]
    traits = ", ".join(phrases[:-1]) + " and " + phrases[-1]
    text = frames[frame].format(traits=traits)
    if split == "wide" and rng.random() < 0.4:
        text = f"{strewn(rng, rng.randint(1, 6))} {traits} {strewn(rng, rng.randint(0, 4))}".strip() + "."
    return Description(text=text, template=f"{split}-{frame}")


def strewn(rng: Random, count: int) -> str:
    """So many words without meaning.

    Example:
        >>> len(strewn(Random(0), 3).split())
        3
    """
    return " ".join(rng.choice(FILLERS) for _ in range(count))


def _traits(
    attributes: Mapping[str, str], split: ViewSplit, rng: Random
) -> Iterator[tuple[Sequence[str], dict[str, str]]]:
    """The ways to say each trait, and the words for it."""
    plain, others = _worded(attributes), _worded(attributes, SYNONYMS)
    for trait, words in plain.items():
        if split == "far":
            yield OTHER_PHRASES["far"][trait], others[trait]
        elif split == "wide":
            yield (
                (*TRAIT_PHRASES[trait], *OTHER_PHRASES["wide"][trait]),
                words if rng.random() < 0.5 else others[trait],
            )
        else:
            yield TRAIT_PHRASES[trait], words


def _worded(
    attributes: Mapping[str, str], synonyms: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, dict[str, str]]:
    """Trait -> the words for its phrase; traits whose value is ``"none"`` are left out."""

    def word(attribute: str) -> str:
        value = attributes[attribute]
        return (synonyms or _PLAIN).get(attribute, {}).get(value, value)

    shown = {
        "skin": {"skin_tone": word("skin_tone")},
        "hair": {"hair_color": word("hair_color"), "cut": word("hair_style")},
        "eyes": {"eye_color": word("eye_color")},
        "clothing": {"clothing_color": word("clothing_color"), "garment": word("clothing")},
        "face": {"face_shape": word("face_shape")},
    }
    extras = ("eyewear", "facial_hair", "headwear", "earrings", "cheeks")
    return shown | {name: {name: word(name)} for name in extras if attributes[name] != "none"}


_TRAIT_OF = {
    "skin_tone": "skin",
    "eye_color": "eyes",
    "face_shape": "face",
    **{name: name for name in ("eyewear", "facial_hair", "headwear", "earrings", "cheeks")},
}
_OTHER_TRAITS = {
    "hair_style": "hair {value}",
    "hair_color": "{value} hair",
    "clothing": "{value}",
    "clothing_color": "clothes in {value}",
}


def trait_phrases(attribute: str, value: str) -> list[str]:
    """Ways to say one visual attribute by itself, with the word for its value that near views have, or a synonym.

    Args:
        value: Not ``"none"``.

    Example:
        >>> trait_phrases("eye_color", "violet")[0]
        'violet eyes'
    """
    said = (_PLAIN.get(attribute, {}).get(value, value), SYNONYMS[attribute][value])
    trait = _TRAIT_OF.get(attribute)
    if trait is None:
        return [_OTHER_TRAITS[attribute].format(value=word) for word in said]
    return [phrase.format(**{attribute: word}) for word in said for phrase in TRAIT_PHRASES[trait]]
