# SPDX-License-Identifier: Apache-2.0
"""What a persona is. It does not know which values exist, nor how a persona looks or reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Modality = Literal["image", "text"]
Population = Literal["target", "background"]
ViewSplit = Literal["train", "validation", "test", "far", "wide"]

MODALITIES: tuple[Modality, ...] = ("image", "text")
NEAR_SPLITS: tuple[ViewSplit, ...] = ("train", "validation", "test")
"""Families of views that differ little from each other, drawn or imported."""
VIEW_SPLITS: tuple[ViewSplit, ...] = (*NEAR_SPLITS, "far")
"""Families of views of target personas; ``wide`` is for background personas, whom base models learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One fictitious person.

    Attributes:
        id: Unique over populations, seeds and indices, e.g. ``"t0-00007"``.
        index: Position in its population, from 0.
        seed: The world the persona belongs to.
        population: ``"target"`` (to be memorized) or ``"background"`` (what a base model may see).
        full_name: First and last name; unique over both populations of a world.
        visual_attributes: Visual attribute -> value, one of `values.VISUAL_ATTRIBUTES`; portraits and descriptions
            alike present them.
        facts: Private attribute -> value, one of `values.FACT_ATTRIBUTES`; never shown by portraits or descriptions.
    """

    id: str
    index: int
    seed: int
    population: Population
    full_name: str
    visual_attributes: Mapping[str, str]
    facts: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Persona({self.id} {self.full_name})"

    def as_json(self) -> dict[str, Any]:
        """The fields as plain JSON types."""
        return asdict(self)
