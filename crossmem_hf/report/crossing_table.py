# SPDX-License-Identifier: Apache-2.0
"""What crosses from one modality to the other, beside what needs no learning, and in which way to learn. It knows no
study."""

from collections.abc import Iterable

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
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


def arms_table(measurements: Iterable[Measurement], base: str) -> Table | None:
    """A row a way to learn: recall in the modality learned from and in the other, learning from either, and steps and
    CPU seconds of the training; None if nothing of it was measured.

    Args:
        base: Whose.
    """
    columns = []
    for source in MODALITIES:
        here, there = MODALITY_NAMES[source], MODALITY_NAMES[other(source)]
        place: Where = {"base": base, "source": source}
        columns += [
            Column(
                head=f"from {here}, by {said}",
                metrics=("recall",),
                where={**place, "target": target, "views": "test"},
                with_interval=True,
            )
            for said, target in ((here, source), (there, other(source)))
        ]
        columns.append(Column(head=f"steps / CPU s, from {here}", metrics=("steps", "cpu_s"), where=place))
    own = [one for one in measurements if one.where.get("base") == base]
    return pivot(own, {"arm": "way to learn"}, columns)
