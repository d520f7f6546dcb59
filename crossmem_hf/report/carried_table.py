# SPDX-License-Identifier: Apache-2.0
"""What bases have learned and say again, a column a base. It knows no study."""

from collections.abc import Iterator, Sequence
from typing import Final

from crossmem_hf.report.record import NEAREST, Measurement, Record
from crossmem_hf.report.tables import Column, Table, pivot

_HEADS: Final = {"source": "learned from", "target": "asked in", "hops": "hops", "views": "views"}
_ASKED: Final = {
    "names": ("Names", ("source", "target", "views")),
    "facts": ("Private facts, learned from portraits", ("target", "hops", "views")),
}
_VIEWS: Final = ("train", "test", "far")


def carried_tables(records: Sequence[Record], bases: Sequence[str]) -> Iterator[tuple[str, Table]]:
    """A title and a table each of names and of facts: recall, and what the nearest training row answers.

    Args:
        records: Of bases that no two of them share; the first is the longest.
    """
    every = [one for record in reversed(records) for one in record.find("recall")]
    for learned, (title, keys) in _ASKED.items():
        own = (one for one in every if one.where["learned"] == learned)
        measured = sorted(own, key=lambda one: _VIEWS.index(str(one.where["views"])))
        table = _by_base(measured, learned, keys, bases)
        if table is not None:
            yield title, table


def _by_base(
    measured: Sequence[Measurement], learned: str, keys: tuple[str, ...], bases: Sequence[str]
) -> Table | None:
    same = {"learned": learned} | ({"source": "image"} if "source" not in keys else {})
    columns = [
        Column(head=name, metrics=("recall",), where={**same, "base": name}, with_interval=True)
        for name in (NEAREST, *bases)
    ]
    return pivot(measured, {key: _HEADS[key] for key in keys}, columns)
