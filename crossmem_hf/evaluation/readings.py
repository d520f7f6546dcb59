# SPDX-License-Identifier: Apache-2.0
"""How a number of a metric's summary is read: its name, unit, chance level and direction. It knows no metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from crossmem_hf.report.record import BASELINES, Value

Sense = Literal["more memorized", "less memorized", "better", ""]


@dataclass(frozen=True)
class Reading:
    """How a number of a summary becomes a measurement.

    Attributes:
        name: Of the number in the summary; nothing is measured where it is not there.
        sense: Whether a greater value is better depends on whether the personas are to be forgotten or retained;
            empty where neither is.
        greater_means: What a greater value says; empty for `sense`.
        chance: Name of its chance level in the summary.
        n: Name of the number of rows behind it.
        metric: Name of the measurement; empty for `name`.
    """

    name: str
    unit: str
    sense: Sense = ""
    greater_means: str = ""
    chance: str = ""
    n: str = "n"
    metric: str = ""

    def greater_is_better(self, where: Mapping[str, Value]) -> bool | None:
        """Of what is wanted of these personas: of those to retain to be remembered, of those to forget the contrary,
        once a model is unlearned; None of others, and where neither is better."""
        if self.sense in ("", "better"):
            return True if self.sense else None
        method = where.get("method")
        unlearned = where.get("stage") == "unlearned" or (method is not None and method not in BASELINES)
        if where.get("group") == "retain":
            return self.sense == "more memorized"
        return self.sense == "less memorized" if where.get("group") == "forget" and unlearned else None
