# SPDX-License-Identifier: Apache-2.0
"""What crosses from one modality to the other, beside what needs no learning. It knows no study."""

from collections.abc import Iterable

from crossmem_hf.report.record import Measurement, Where
from crossmem_hf.report.tables import Column, Table, pivot

_KEYS = {"base": "base", "source": "learned from", "target": "asked in", "views": "views"}


def crossing_table(measurements: Iterable[Measurement], where: Where) -> Table | None:
    """A row a base, modality learned from, modality asked in and kind of views: recall; what the nearest training row
    (by raw pixels or words) and the base itself recall; first or last name; Exposure; and how much of what personas
    look like the base can tell, which is what is perceived.

    Args:
        where: What the measurements that are shown have besides, such as ``{"arm": "usual"}``.
    """
    beside = (*_KEYS, "learned", "seed")
    own = [
        one
        for one in measurements
        if "target" in one.where
        and {key: value for key, value in one.where.items() if key not in beside} == dict(where)
    ]
    base = {**where, "learned": "base"}
    columns = (
        Column(head="recall", metrics=("recall",), where=where, with_interval=True),
        Column(head="nearest row", metrics=("recall",), where={**where, "learned": "nearest row"}),
        Column(head="before learning", metrics=("recall",), where=base),
        Column(head="first or last name", metrics=("partial_recall",), where=where),
        Column(head="Exposure", metrics=("exposure",), where=where),
        Column(head="looks told by the base", metrics=("utility_visual_attributes",), where=base),
    )
    return pivot(own, _KEYS, columns)
