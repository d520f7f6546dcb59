# SPDX-License-Identifier: Apache-2.0
"""Who is shown, in which split each picture and description goes, and who is forgotten. It opens no picture."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from unicodedata import category

from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.portraits import Portrait
from crossmem_hf.importing.validation import ValidationErrors
from crossmem_hf.metrics.matching import normalize_name, says
from crossmem_hf.personas.schema import NEAR_SPLITS, ViewSplit
from crossmem_hf.seeding import seed_for

_FEWEST = len(NEAR_SPLITS)


@dataclass(frozen=True, slots=True)
class View:
    """Where a picture or description goes: its split, and its number there among those of the person, from 0."""

    split: ViewSplit
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Personas:
    """Everybody and everything that is imported.

    Attributes:
        names: Person -> name, in the order in which people first occur.
        views: The view of each picture, in the order of the pictures.
        descriptions: Person -> the different descriptions and their views; empty if there are none at all.
        forgotten: The people in the forget sets.
    """

    names: Mapping[str, str]
    views: Sequence[View]
    descriptions: Mapping[str, Sequence[tuple[str, View]]]
    forgotten: frozenset[str]


def check_held_out(share: float) -> None:
    """Accept a share of each person's views for each of the splits validation and test.

    Raises:
        CrossmemError: Anything but a share above 0 and below one half.
    """
    if not 0 < share < 0.5:
        raise CrossmemError(
            f"held-out share {share!r}; expected above 0 and below 0.5, for validation and for test each.",
            "Pass 0.2, so that of ten pictures six are trained on.",
        )


def personas_in(
    portraits: Sequence[Portrait], digests: Sequence[str], *, held_out: float, forget_fraction: float, seed: int
) -> Personas:
    """Who goes where. The same pictures and seed give the same splits, whatever the files are called.

    Args:
        digests: Of the pictures' contents.
        held_out: Share of a person's views for validation, and as much for test; at least one each.
        forget_fraction: Share of the people in the forget sets.
        seed: Which views are held out, and who is forgotten.

    Raises:
        CrossmemError: Fewer than two people; two people of one name, or names of one person; a picture twice; fewer
            than three pictures or descriptions of a person; a split that is none of ours; a description that says the
            name, or some people with descriptions and some without.
    """
    names = _names(portraits)
    if len(names) < 2:
        raise CrossmemError(
            f"There are pictures of {len(names)} people; expected at least 2.", "Add people; names are told apart."
        )
    _check_pictures(portraits, digests)
    errors = ValidationErrors("people")
    own: dict[str, list[int]] = {person: [] for person in names}
    for number, portrait in enumerate(portraits):
        own[portrait.person].append(number)
    views: dict[int, View] = {}
    for person, numbers in own.items():
        try:
            given = _given(person, [portraits[number].split for number in numbers])
        except ValueError as error:
            errors.add(f"person {person!r}", error)
            continue
        keys = [digests[number] for number in numbers]
        views |= zip(numbers, given or _divided(person, keys, held_out, seed), strict=True)
    errors.check(len(names))
    return Personas(
        names=names,
        views=[views[number] for number in range(len(portraits))],
        descriptions=_descriptions(portraits, own, names, held_out, seed),
        forgotten=forget_ids(list(names), forget_fraction, seed),
    )


def _names(portraits: Iterable[Portrait]) -> dict[str, str]:
    errors, seen = ValidationErrors("pictures"), 0
    names: dict[str, str] = {}
    folded: dict[str, str] = {}
    for portrait in portraits:
        seen += 1
        person = portrait.person
        if person not in names:
            names[person] = portrait.name
            if not re.search(r"[^\W\d_]", portrait.name) or re.search(r"[<>|{}]", portrait.name):
                errors.add(portrait.where, f"{portrait.name!r} is no name: expected letters, and none of <>|{{}}")
            other = folded.setdefault(_folded(portrait.name), person)
            if other != person:
                errors.add(portrait.where, f"person {person!r} has the name of person {other!r}, {portrait.name!r}")
        elif names[person] != portrait.name:
            errors.add(portrait.where, f"person {person!r} is called {portrait.name!r} and {names[person]!r}")
    errors.check(seen)
    return names


def _folded(name: str) -> str:
    """Equal for names that people, or the metrics, take for the same."""
    return normalize_name(name.replace("_", " ")).replace(" ", "")


def _check_pictures(portraits: Sequence[Portrait], digests: Sequence[str]) -> None:
    errors = ValidationErrors("pictures")
    first: dict[str, Portrait] = {}
    for portrait, digest in zip(portraits, digests, strict=True):
        other = first.setdefault(digest, portrait)
        if other is not portrait:
            whose = "" if other.person == portrait.person else f" of another person, {other.person!r}"
            errors.add(portrait.where, f"it is the same picture as {other.where}{whose}")
    errors.check(len(portraits))


def _given(person: str, splits: Sequence[str]) -> list[View]:
    """The views that the source chose; empty if it chose none."""
    named = [split for split in splits if split]
    if not named:
        if len(splits) < _FEWEST:
            raise ValueError(
                f"there {'is 1 picture' if len(splits) == 1 else f'are {len(splits)} pictures'}; expected at least "
                f"{_FEWEST}, one each for {', '.join(NEAR_SPLITS)}"
            )
        return []
    unknown = sorted(set(splits) - set(NEAR_SPLITS), reverse=True)
    if unknown:
        raise ValueError(f"a picture has the split {unknown[0]!r}; expected one of {', '.join(NEAR_SPLITS)}")
    lacking = sorted({"train", "test"} - set(named))
    if lacking:
        raise ValueError(f"no picture has the split {lacking[0]!r}")
    return _numbered(splits)


def _divided(person: str, keys: Sequence[str], held_out: float, seed: int) -> list[View]:
    """Views of some things of a person, told apart by their keys: some for test, some for validation, the rest."""
    count = max(1, floor(held_out * len(keys) + 0.5))
    order = sorted(
        range(len(keys)), key=lambda number: (seed_for(seed, "imported-view", person, keys[number]), number)
    )
    splits = dict.fromkeys(order[:count], "test") | dict.fromkeys(order[count : 2 * count], "validation")
    return _numbered([splits.get(number, "train") for number in range(len(keys))])


def _numbered(splits: Sequence[str]) -> list[View]:
    return [
        View(split, sum(other == split for other in splits[:number]))  # type: ignore[arg-type]  # checked by callers
        for number, split in enumerate(splits)
    ]


def _descriptions(
    portraits: Sequence[Portrait],
    own: Mapping[str, Sequence[int]],
    names: Mapping[str, str],
    held_out: float,
    seed: int,
) -> dict[str, list[tuple[str, View]]]:
    """Different descriptions are divided by themselves: one of several pictures is not both learned and held out."""
    if not any(portrait.description for portrait in portraits):
        return {}
    errors = ValidationErrors("people")
    described: dict[str, list[tuple[str, View]]] = {}
    for person, numbers in own.items():
        splits: dict[str, set[str]] = {}
        for number in numbers:
            if portraits[number].description:
                splits.setdefault(portraits[number].description, set()).add(portraits[number].split)
        try:
            _check_texts(list(splits), names[person])
            views = _chosen(splits) or _divided(person, list(splits), held_out, seed)
            described[person] = list(zip(splits, views, strict=True))
        except ValueError as error:
            errors.add(f"person {person!r}", error)
    errors.check(len(names))
    return described


def _check_texts(texts: Sequence[str], name: str) -> None:
    if len(texts) < _FEWEST:
        raise ValueError(
            f"there are {len(texts)} different descriptions; expected at least {_FEWEST}, one each for "
            f"{', '.join(NEAR_SPLITS)}, or none of anybody"
        )
    words = {word for word in _written_words(name) if len(word) > 1 and not word.islower()}
    for text in texts:
        found = sorted({*words, *map(str.upper, words)} & _written_words(text))
        if found or says(text, name) or name.casefold() in text.casefold():
            raise ValueError(f"the description {text[:60]!r} says {(found or [name])[0]!r}, which is to be recalled")


def _written_words(text: str) -> set[str]:
    """The words of a text as they are written: runs of letters and numbers with all their marks."""
    return set("".join(sign if category(sign)[0] in "LNM" else " " for sign in text).split())


def _chosen(splits: Mapping[str, set[str]]) -> list[View]:
    """The views of the pictures that are described, if the source chose them; empty if it did not."""
    if not any(next(iter(given)) for given in splits.values()):
        return []
    torn = [text for text, given in splits.items() if len(given) > 1]
    if torn:
        raise ValueError(f"the description {torn[0][:60]!r} is in several splits")
    return _numbered([next(iter(given)) for given in splits.values()])
