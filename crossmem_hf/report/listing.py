# SPDX-License-Identifier: Apache-2.0
"""All numbers of a record as one table a metric, a row a place, the values of single seeds in a column. It computes
nothing and knows no layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmem_hf.report.numbers import significant
from crossmem_hf.report.record import Measurement, Record, Value, ordered
from crossmem_hf.report.tables import NOTHING, Table, over_seeds, without_seed

Place = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """All numbers of one metric.

    Attributes:
        about: What all of them share: unit, what greater says, what guessing would give.
        table: A row a place, over seeds.
    """

    metric: str
    about: str
    table: Table


def listed(record: Record) -> list[Listed]:
    """The numbers of each metric, in the record's order; nothing of a record without any."""
    metrics: dict[str, list[Measurement]] = {}
    for m in record.measurements:
        metrics.setdefault(m.metric, []).append(m)
    return [_listed(metric, found) for metric, found in metrics.items()]


def _listed(metric: str, found: Sequence[Measurement]) -> Listed:
    rows = over_seeds(found)
    values = {(_place(m), seed): significant(value) for m in found for seed, value in _by_seed(m).items()}
    seeds = sorted({seed for _, seed in values})
    keys = list(ordered({name: "" for m in rows for name in without_seed(m.where)}))
    chances = {m.chance for m in rows}
    heads = (*keys, "value", "95 % interval", "n", "guessing", f"by seed ({', '.join(map(str, seeds))})", "note")
    cells = [
        (
            *(NOTHING if name not in m.where else str(m.where[name]) for name in keys),
            significant(m.value),
            "" if m.ci is None else f"{significant(m.ci[0])} to {significant(m.ci[1])}",
            str(m.n),
            "" if m.chance is None or len(chances) == 1 else significant(m.chance),
            " · ".join(values.get((_place(m), seed), NOTHING) for seed in seeds) if len(seeds) > 1 else "",
            m.note,
        )
        for m in rows
    ]
    kept = [at for at, head in enumerate(heads) if head in ("value", *keys) or any(row[at] for row in cells)]
    return Listed(
        metric,
        _about(rows[0], chances),
        Table(
            tuple(heads[at] for at in kept),
            tuple(tuple(row[at] for at in kept) for row in cells),
            right=frozenset(place for place, at in enumerate(kept) if len(keys) <= at < len(keys) + 4),
        ),
    )


def _place(m: Measurement) -> Place:
    return tuple(without_seed(m.where).items())


def _by_seed(m: Measurement) -> Mapping[int, float]:
    """The value of each seed that this measurement tells: its own, or those it pools."""
    return {m.seed: m.value} if isinstance(m.seed, int) else m.by_seed


def _about(one: Measurement, chances: set[float | None]) -> str:
    (chance,) = chances if len(chances) == 1 else (None,)
    parts = (
        one.unit,
        f"greater: {one.greater_means}" * bool(one.greater_means),
        "" if chance is None else f"guessing {significant(chance)}",
    )
    return ", ".join(filter(None, parts))
