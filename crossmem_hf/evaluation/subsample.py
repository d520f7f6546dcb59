# SPDX-License-Identifier: Apache-2.0
"""Fewer rows that stand for all of them, chosen without chance. It does not know what is done with them."""

from collections.abc import Sequence
from typing import Any

from crossmem_hf.data.selection import personas_of
from crossmem_hf.errors import CrossmemError


def evenly_spaced(rows: Any, max_rows: int | None) -> Any:
    """At most so many rows, at equal distances, because neighbors are about one persona."""
    if max_rows is None or max_rows >= len(rows):
        return rows
    return rows.select([number * len(rows) // max_rows for number in range(max_rows)])


def stratified_subsample(rows: Any, max_rows: int) -> Any:
    """All rows if there are at most `max_rows`; otherwise so many, as many of each modality, of all personas alike.

    Of each persona other rows are taken, so that no view or attribute is preferred. Equal rows give equal choices.

    Raises:
        CrossmemError: `max_rows` is below the number of modalities.
    """
    if len(rows) <= max_rows:
        return rows
    modalities, personas = list(rows["modality"]), personas_of(rows)
    kinds = sorted(set(modalities))
    if max_rows < len(kinds):
        raise CrossmemError(f"max_rows={max_rows!r} is below the {len(kinds)} modalities {kinds!r}.", "Ask more rows.")
    chosen: list[int] = []
    for modality in kinds:
        by_persona: dict[str, list[int]] = {}
        for index, (own, persona) in enumerate(zip(modalities, personas, strict=True)):
            if own == modality:
                by_persona.setdefault(persona, []).append(index)
        chosen += _one_of_each_in_turn(list(by_persona.values()), max_rows // len(kinds))
    return rows.select(sorted(chosen))


def _one_of_each_in_turn(groups: Sequence[Sequence[int]], room: int) -> list[int]:
    """At most `room` members: one of every group, then another of every group; evenly from the last such round."""
    turned = [[*group[n % len(group) :], *group[: n % len(group)]] for n, group in enumerate(groups)]
    chosen: list[int] = []
    for place in range(max(map(len, turned))):
        members = [group[place] for group in turned if len(group) > place]
        left = room - len(chosen)
        if len(members) >= left:
            return chosen + [members[number * len(members) // left] for number in range(left)]
        chosen += members
    return chosen
