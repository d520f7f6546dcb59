# SPDX-License-Identifier: Apache-2.0
"""Whose portraits are made, how many, and which are kept: checked choices. It makes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import capacity, sample_personas
from crossmem_hf.personas.schema import Persona, Population, ViewSplit
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings
from crossmem_hf.rendering.faces.identity import chosen_threshold
from crossmem_hf.rendering.faces.model import THRESHOLDS
from crossmem_hf.rendering.faces.recognition import known_as

UNIT = 16
"""Pictures a unit of work; a batch is part of a unit, so that memory decides about batches and about nothing else."""

_RANGES = {"num_views": (1, 10_000), "seed": (0, 2**31 - 1), "max_attempts": (1, 1000), "batch_size": (1, UNIT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitSettings:
    """A run of `studies.portraits`.

    Attributes:
        diffusion: Which models, and how.
        num_personas: People a population.
        num_views: Training views a person; target people have four validation and four test views more.
            The config ``multi_image`` shows two training views even of people who have one.
        seed: Which world the people come from; noise follows from it.
        populations: ``"background"`` people occur in captions only.
        face_model: Who compares faces, as for `faces.load_face_model`; ``"none"`` keeps every picture that the safety
            checker lets pass.
        threshold: Cosine above which two pictures show one person. None is the face model's own; where nobody has
            measured one (`faces.THRESHOLDS`), it must be given. ``"none"`` takes none.
        max_attempts: Pictures tried for each that is wanted, each with a seed of its own.
        batch_size: Pictures made at a time, up to `UNIT`.

    Raises:
        CrossmemError: A value out of range, an unknown population, or no threshold for a face model.
    """

    diffusion: DiffusionSettings
    num_personas: int = 50
    num_views: int = 8
    seed: int = 0
    populations: tuple[Population, ...] = ("target", "background")
    face_model: str = "arcface_resnet"
    threshold: float | None = None
    max_attempts: int = 5
    batch_size: int = 8

    def __post_init__(self) -> None:
        ranges = {"num_personas": (1, capacity()), **_RANGES}
        for name, (smallest, largest) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
                raise CrossmemError(
                    f"{name}={value!r}; expected a whole number from {smallest} to {largest}.",
                    f"Pass a {name} in that range.",
                )
        if not self.populations or set(self.populations) - {"target", "background"}:
            raise CrossmemError(
                f"populations={self.populations!r}; expected target, background or both.", "Pass one or both."
            )
        if self.face_model == "none" and self.threshold is not None:
            raise CrossmemError(
                f"threshold={self.threshold!r} without a face model.", "Leave it out, or choose a face model."
            )
        object.__setattr__(self, "face_model", known_as(self.face_model))
        if self.face_model != "none":
            threshold = chosen_threshold(self.threshold, THRESHOLDS.get(self.face_model), self.face_model)
            object.__setattr__(self, "threshold", threshold)

    def personas(self) -> list[Persona]:
        """Everybody, targets first."""
        order: tuple[Population, ...] = ("target", "background")
        chosen = [population for population in order if population in self.populations]
        return [person for name in chosen for person in sample_personas(self.num_personas, self.seed, name)]

    def views(self) -> Iterator[tuple[Persona, ViewSplit, int]]:
        """Every view wanted, person by person."""
        held_out: tuple[ViewSplit, ...] = ("validation", "test")
        for person in self.personas():
            yield from ((person, "train", index) for index in range(self.num_views))
            for split in held_out if person.population == "target" else ():
                yield from ((person, split, index) for index in range(NUM_HELD_OUT_VIEWS))

    def decisive(self) -> dict[str, Any]:
        """What the pictures depend on: all but how many are made at a time and how often it is tried."""
        return {
            "diffusion": self.diffusion.as_dict(),
            "personas": {
                "seed": self.seed,
                "num_personas": self.num_personas,
                "num_views": self.num_views,
                "populations": list(self.populations),
            },
            "identity": {"face_model": self.face_model, "threshold": self.threshold},
        }
