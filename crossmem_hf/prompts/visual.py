# SPDX-License-Identifier: Apache-2.0
"""Questions for what can be seen on a portrait. It does not know who is on it, nor what is written over it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VISUAL_QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "train": (
            "What is the {attribute} of the person in this image?",
            "Tell me the {attribute} of the person in this image.",
        ),
        "test": (
            "Looking at the person in this image, name their {attribute}.",
            "Which {attribute} do you see on the person in this image?",
        ),
    }
)
"""Split -> wordings; no wording is in two splits. The answer is the attribute's value, ``none`` where nothing is."""

_CALLED: Final = {
    "cheeks": "mark on the cheeks",
    "clothing": "piece of clothing",
    "clothing_color": "color of clothing",
}


def visual_question(split: str, attribute: str, wording: int = 0) -> str:
    """The question for one visual attribute.

    Args:
        split: One of `VISUAL_QUESTIONS`.
        attribute: One of `values.VISUAL_ATTRIBUTES`.
        wording: Which of the split's; counted round.

    Example:
        >>> visual_question("train", "hair_color")
        'What is the hair color of the person in this image?'
    """
    wordings = VISUAL_QUESTIONS[split]
    called = _CALLED.get(attribute, attribute.replace("_", " "))
    return wordings[wording % len(wordings)].format(attribute=called)
