# SPDX-License-Identifier: Apache-2.0
"""Attacks that learn from some people and are tried on the others. It does not know what they learn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.analysis.attacks.variants import columns_of, passes, with_content
from crossmem_hf.analysis.attacks.weights import State
from crossmem_hf.data.rows import Row
from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.seeding import rng_for


@dataclass(frozen=True)
class Halves:
    """An evaluator's rows about those who are taught, and about the others.

    Attributes:
        evaluator: Of all of them.
        is_taught: Of each row.
        applies: Whether each row is one that an attack learns from or is tried on; the rest is asked once.
    """

    evaluator: Evaluator
    is_taught: tuple[bool, ...]
    applies: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        evaluator: Evaluator,
        share: float,
        seed: int,
        purpose: str,
        *,
        applies: Callable[[Row], bool] = lambda _: True,
    ) -> "Halves":
        """A share of the personas that the rows to which an attack applies are about is drawn; at least one is taught,
        and one is not.

        Raises:
            CrossmemError: Fewer than two personas, or a share out of range.
        """
        if not 0 < share < 1:
            raise CrossmemError(f"share={share!r}; expected a number between 0 and 1.", "Pass 0.2, for example.")
        whose = [person_key(row["persona_id"]) for row in evaluator.questions.about]
        able = tuple(applies(row) for row in evaluator.rows)
        personas = sorted({one for one, apply in zip(whose, able, strict=True) if apply})
        if len(personas) < 2:
            raise CrossmemError(
                f"The rows that the attack applies to are about {len(personas)} persona; expected at least two.",
                "Ask about several: an attack learns from some of them, and the others are asked about.",
            )
        count = min(len(personas) - 1, max(1, round(share * len(personas))))
        taught = {*rng_for(seed, purpose).sample(personas, count)}
        return cls(evaluator, tuple(one in taught for one in whose), able)

    @classmethod
    def of_groups(cls, evaluator: Evaluator) -> "Halves":
        """Those to retain are taught, those to forget are the others.

        Raises:
            CrossmemError: The evaluator does not know who is to be forgotten, or its rows are of one group.
        """
        if evaluator.groups != ("forget", "retain"):
            raise CrossmemError(
                f"The rows are about {' and '.join(evaluator.groups) or 'people of no group'}; expected forget and "
                "retain.",
                "Ask about both, and tell the evaluator who is forgotten.",
            )
        forgotten = evaluator.forgotten or frozenset()
        whose = [person_key(row["persona_id"]) for row in evaluator.questions.about]
        return cls(evaluator, tuple(one not in forgotten for one in whose), (True,) * len(whose))

    def rows(self, *, taught: bool) -> Any:
        """The rows of one half, as a Dataset."""
        places = [place for place, one in enumerate(self.is_taught) if one == taught]
        return self.evaluator.rows.select(places)

    def asked(
        self,
        model: Any,
        processor: Any,
        states: Mapping[str, State],
        *,
        change: Callable[[str], str] | None = None,
        output_dir: Path | str | None,
        made_from: str | None,
    ) -> Predictions:
        """The evaluator's own predictions, with what the model answers about the others in each state; those who are
        taught are asked once.

        Columns as `variants.asked_in_ways` says, a state in the place of a way; ``taught`` says whose rows were
        learned from.

        Args:
            states: Name -> state; each costs a pass of free answers.
            change: Of what is asked in the states.
            output_dir: As for `Evaluator`, with `made_from`.
        """
        predicted = passes(model, processor, output_dir, made_from)
        found = predicted(self.evaluator, "queried")
        able = enumerate(zip(self.is_taught, self.applies, strict=True))
        places = [place for place, (taught, applies) in able if applies and not taught]
        others = self.evaluator.rows.select(places)
        if change is not None:
            changed: list[Row] = [with_content(dict(row), change) for row in others]
            others = type(others).from_list(changed, features=others.features)
        asking = self.evaluator.altered(rows=others, metrics=("recall",), holdout=None)
        said: list[dict[str, bool]] = [{"plain": one["correct"]} for one in found]
        for name, state in states.items():
            with state():
                answers = predicted(asking, name)
            for place, one in zip(places, answers, strict=True):
                said[place][name] = one["correct"]
        columns = ({**columns_of(answers), "taught": one} for answers, one in zip(said, self.is_taught, strict=True))
        return Predictions(({**one, **more} for one, more in zip(found, columns, strict=True)), against=found.against)
