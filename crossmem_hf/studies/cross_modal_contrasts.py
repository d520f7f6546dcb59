# SPDX-License-Identifier: Apache-2.0
"""What the claims of the study cross_modal are computed from. It claims nothing."""

from typing import Final

from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Find
from crossmem_hf.studies.cross_modal_arms import USUAL

_NONE: Final = 1e-9
"""A share of answers that is no more is nothing."""


def across(find: Find, source: Modality, measured: str = "recall", /, **where: Value) -> tuple[float, float]:
    """What is measured in the modality learned from, and in the other."""
    usual: dict[str, Value] = {"arm": USUAL, "views": "test", "source": source, **where}
    return find(measured, target=source, **usual), find(measured, target=other(source), **usual)


def gap(find: Find, source: Modality, **where: Value) -> float:
    """How much less is recalled in the other modality."""
    here, there = across(find, source, **where)
    return here - there


def share_across(find: Find, source: Modality, **where: Value) -> float | None:
    """Of what is recalled in the modality learned from, as much is in the other; None of nothing."""
    here, there = across(find, source, **where)
    return there / here if here else None


def share_of_unsaid(find: Find, source: Modality, measured: str, /, **where: Value) -> float | None:
    """Of the names that are not said in the other modality, the share that is measured; None of nothing."""
    unsaid = 1 - across(find, source, **where)[1]
    return across(find, source, measured, **where)[1] / unsaid if unsaid > _NONE else None


def more(one: float | None, another: float | None) -> float | None:
    """By how much one share is greater than another, if either is any."""
    return None if one is None or another is None else one - another


def words_of(source: Modality) -> tuple[str, str]:
    """The modality learned from, and the other, in words."""
    return MODALITY_NAMES[source], MODALITY_NAMES[other(source)]
