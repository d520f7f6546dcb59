# SPDX-License-Identifier: Apache-2.0
"""All rows about one population, by config and split, and who of it is forgotten. It does not know what is done
with them."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.configs.candidates import UNTAUGHT
from crossmem_hf.data.configs.table import SPLITS, check_split
from crossmem_hf.data.population import all_personas, forgotten_ids
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona

if TYPE_CHECKING:
    import datasets


class PersonaDataset:
    """A population of fictitious personas, and every row about them.

    Rows are built when they are asked for, once, into the datasets cache.

    Args:
        num_personas: 1 to 10,500.
        seed: Which population, and the order of forgetting.
        preset: One of `spec.PRESETS`, such as ``"remem"``, whose sizes the other arguments replace.
        knobs: Further fields of `spec.DatasetSpec`, such as ``num_views=4``.

    Attributes:
        spec: The `DatasetSpec`.

    Raises:
        CrossmemError: An unknown preset or knob, or a value out of range.

    Example:
        >>> data = PersonaDataset(num_personas=5)
        >>> len(data["recall_text"]), len(data["recall_text", "test"]), len(data.forgotten)
        (40, 20, 1)
    """

    def __init__(
        self, num_personas: int | None = None, seed: int | None = None, *, preset: str | None = None, **knobs: Any
    ) -> None:
        self.spec = DatasetSpec.preset(preset, num_personas=num_personas, seed=seed, **knobs)

    def __getitem__(self, key: str | tuple[str, str]) -> "datasets.Dataset":
        """The rows of ``data[config, split]``; ``data[config]`` is all that the config has to train on, which never are
        views to report; of configs that hold nothing else, such as ``qa_test`` and ``qa_far``, it is all their rows.

        Raises:
            CrossmemError: Another key, unknown config or split, or the datasets cache can be neither written nor read.
        """
        from crossmem_hf.data.loading import built_rows

        if isinstance(key, str):
            key = key, self._training_split(key)
        if not isinstance(key, tuple) or [type(name) for name in key] != [str, str]:
            raise CrossmemError(
                f"data[{key!r}] names no rows.", 'Take data["recall_text"] or data["recall_text", "test"].'
            )
        return built_rows(*key, self.spec)

    def _training_split(self, config: str) -> str:
        splits = SPLITS.get(config, ())
        if "train" in splits or not splits:
            check_split(config, "train")
            return "train"
        left_out = ("retain_eval", UNTAUGHT)  # a part of retain; what nobody is taught
        return "+".join(split for split in splits if split not in left_out)

    @property
    def configs(self) -> tuple[str, ...]:
        """The names that ``data[...]`` takes."""
        return tuple(SPLITS)

    @property
    def personas(self) -> tuple[Persona, ...]:
        """Who the rows are about, in the order of their indices."""
        return all_personas(self.spec.num_personas, self.spec.seed)

    @property
    def forgotten(self) -> frozenset[str]:
        """The ids of those whom `spec` forgets, at its `forget_fraction`.

        Raises:
            CrossmemError: There would be nobody to forget, or nobody to retain.
        """
        return forgotten_ids(self.spec)

    def forget_retain(
        self, config: str, fraction: float | None = None, *, split: str | None = None
    ) -> "tuple[datasets.Dataset, datasets.Dataset]":
        """The rows about those to forget, and about everyone else.

        Args:
            fraction: Share of the personas to forget; None is the spec's. Larger sets contain smaller ones.
            split: None is all that the config has to train on.

        Raises:
            CrossmemError: As ``data[config, split]``; rows about nobody in particular; or an empty set.

        Example:
            >>> forget, retain = PersonaDataset(num_personas=5).forget_retain("recall_text", fraction=0.4)
            >>> len(forget), len(retain)
            (16, 24)
        """
        from crossmem_hf.data.selection import of_personas

        forgotten = forgotten_ids(self.spec, fraction)
        rows = self[config] if split is None else self[config, split]
        if "persona_id" not in rows.column_names:
            raise CrossmemError(f"Rows of {config!r} are about no single persona.", "Use another config, such as qa.")
        retained = {one.id for one in self.personas} - forgotten
        sets = {name: of_personas(rows, whom) for name, whom in (("forget", forgotten), ("retain", retained))}
        for name, found in sets.items():
            if not len(found):
                raise CrossmemError(
                    f"The split {split!r} of {config!r} has no row about those to {name}.",
                    "Leave split out, or name one with rows about everybody.",
                )
        return sets["forget"], sets["retain"]

    def candidates(self) -> dict[str, list[str]]:
        """Attribute -> all its values in the population, which the truth is ranked among."""
        return dict(self._candidates)

    def untaught(self) -> dict[str, list[str]]:
        """Attribute -> values that nobody in the population has, one fewer than there are in it; attributes that have
        too few others are left out."""
        return dict(self._untaught)

    @cached_property
    def _untaught(self) -> dict[str, list[str]]:
        return {row["attribute"]: list(row["values"]) for row in self["candidates", UNTAUGHT]}

    @cached_property
    def _candidates(self) -> dict[str, list[str]]:
        return {row["attribute"]: list(row["values"]) for row in self["candidates", "target"]}

    def __repr__(self) -> str:
        default = DatasetSpec().as_dict()
        chosen = {name: value for name, value in self.spec.as_dict().items() if value != default.get(name)}
        knobs = {"num_personas": self.spec.num_personas, "seed": self.spec.seed} | chosen
        shown = ", ".join(f"{name}={value!r}" for name, value in knobs.items())
        return f"PersonaDataset({shown}), forgets {len(self.forgotten)}; configs: {', '.join(SPLITS)}"
