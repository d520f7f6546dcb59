# SPDX-License-Identifier: Apache-2.0
"""What bases can do on views and wordings that they have not met. It knows no base."""

from collections.abc import Mapping
from typing import Any, Final

from crossmem_hf.report.numbers import fixed
from crossmem_hf.report.tables import Table

_KNOWN: Final = {
    "attributes": "visual attributes named",
    "names": "known names said",
    "names_refused": "known names refused",
    "unknown_refused": "strangers' names refused",
    "facts_one_hop": "known facts, the name in the question",
    "facts_two_hops": "known facts, without the name",
    "unknown_facts_refused": "strangers' facts refused",
}
"""Measure of a base's quality.json -> what it is the share of."""


def quality_table(every: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row a measure and held-out family, a column a base that was taught facts: percent of portraits / descriptions.

    Args:
        every: Base -> what its quality.json says.
    """
    qualities = {name: quality for name, quality in every.items() if "facts_one_hop_image" in quality}
    rows = [
        (f"{words}, {held_out}", *(_both(quality, measure, ending) for quality in qualities.values()))
        for held_out, ending in (("near", ""), ("far", "_far"))
        for measure, words in _KNOWN.items()
    ]
    heads = ("percent of portraits / of descriptions", *(f"`{name}`" for name in qualities))
    return Table(heads, tuple(rows), right=frozenset(range(1, len(heads))))


def _both(quality: Mapping[str, Any], measure: str, ending: str) -> str:
    values = [quality[f"{measure}_{modality}{ending}"]["value"] for modality in ("image", "text")]
    return " / ".join(fixed(100 * value, 0) for value in values)
