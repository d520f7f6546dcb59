# SPDX-License-Identifier: Apache-2.0
"""The words by which a question says whom it is about, and what can stand in their place. It knows no tokens."""

import re
from collections.abc import Iterator
from typing import Final

from crossmem_hf.prompts.questions import SINGLE_HOP_QUESTIONS
from crossmem_hf.prompts.variants import LINK_QUESTIONS, SUBJECTS

SUBJECT_PHRASES: Final = (
    *SUBJECTS.values(),
    *("the person in these images", "the person in the image", "this person", "this individual"),
)
"""What stands for a person who is not named: in our own questions, and in those of ReMem ("What is the name of this
person in the image?", arXiv 2605.03759)."""

_THINGS: Final = ("cup", "sun", "car", "chair", "river", "bridge", "teapot", "lighthouse", "cactus", "violin")
_FRAMES: Final = (
    *("a {thing}", "the {thing}", "this {thing}", "one {thing}", "the old {thing}", "the {thing} in this room"),
    *("the {thing} on the hill", "a small {thing} by the sea", "the {thing} that stands near the harbor"),
    *("some {thing} or other from a street in Paris", "the old {thing} that stood for years near the harbor bridge"),
)
IRRELEVANT: Final = ("Paris", "Rome", "Sweden", *(frame.format(thing=it) for frame in _FRAMES for it in _THINGS))
"""Entities that no person is, of different lengths, so that one of them has as many tokens as a subject. ReMem puts
"an irrelevant entity" in the place of "this person" and does not say which; Basu et al. 2024 have "Paris City" in the
place of "this place". These are ours."""


def subject_of(question: str) -> str | None:
    """The words of a question that say whom it is about: the name that a one-hop question gives, else what stands for
    the person; None where neither is known.

    Example:
        >>> subject_of("This is Ada Moss. What is their job?"), subject_of("What is the name of this person?")
        ('Ada Moss', 'this person')
    """
    for pattern in _NAMING:
        if found := pattern.search(question):
            return found["subject"]
    for phrase in sorted(SUBJECT_PHRASES, key=len, reverse=True):
        if phrase in question:
            return phrase
    return next((found["subject"] for pattern in _LINKING if (found := pattern.search(question))), None)


def _patterns(families: Iterator[str], slot: str) -> tuple[re.Pattern[str], ...]:
    """Each question as a pattern that finds what fills its slot; a description may stand before it."""
    made = []
    for question in families:
        parts = re.split(r"(\{\w+\})", question)
        words = (re.escape(part) if not part.startswith("{") else _filled(part, slot) for part in parts)
        made.append(re.compile(rf"(?:\A|\s){''.join(words)}\Z"))
    return tuple(made)


def _filled(part: str, slot: str) -> str:
    return r"(?P<subject>[^.,;:?!]+?)" if part == slot else ".+?"


_NAMING: Final = _patterns((one for several in SINGLE_HOP_QUESTIONS.values() for one in several), "{name}")
_LINKING: Final = _patterns((one for several in LINK_QUESTIONS.values() for one in several), "{subject}")
