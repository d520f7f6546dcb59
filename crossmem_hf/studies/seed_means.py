# SPDX-License-Identifier: Apache-2.0
"""Numbers of seeds, pooled. It does not know what they are of."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean
from types import MappingProxyType
from typing import Any

from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.report.tables import without_seed
from crossmem_hf.studies.claims import t_interval


def seed_mean(
    metric: str,
    where: Mapping[str, Value],
    by_seed: Mapping[int, float],
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    **about: Any,
) -> Measurement:
    """The mean over seeds, with an interval for further seeds where they differ; its n is how many there are.

    Args:
        bounds: That no value is beyond.
        about: Other fields of `Measurement`, such as its unit.

    Example:
        >>> seed_mean("share", {}, {0: 0.1, 1: 0.3}, bounds=(0.0, 1.0), unit="proportion")
        share 0.2 [0, 1]², n=2
    """
    values = list(by_seed.values())
    ci = None
    if len(set(values)) > 1:
        low, high = t_interval(values)
        ci = max(bounds[0], low), min(bounds[1], high)
    return Measurement(
        metric=metric, where={**where}, value=fmean(values), ci=ci, n=len(values), by_seed={**by_seed}, **about
    )


def pooled_seeds(
    measurements: Iterable[Measurement], bounds: Mapping[str, tuple[float, float]] = MappingProxyType({})
) -> Iterator[Measurement]:
    """Measurements of single seeds as means over seeds, each metric and place once; those that are none stay as they
    are.

    Args:
        bounds: Metric -> what no value of it is beyond.

    Example:
        >>> one, other = (
        ...     Measurement(metric="rankme", where={"by": "npo", "seed": seed}, value=4.0 + seed, n=9, unit="states")
        ...     for seed in (0, 1)
        ... )
        >>> list(pooled_seeds([one, other]))
        [rankme (by npo) 4.5 [-1.85, 10.9]², n=2]
    """
    groups: dict[Any, list[Measurement]] = defaultdict(list)
    for one in measurements:
        if one.seed is None:
            yield one
        else:
            groups[one.metric, tuple(without_seed(one.where).items())].append(one)
    for (metric, where), group in groups.items():
        first = group[0]
        by_seed = {int(one.where["seed"] or 0): one.value for one in group}
        about = {"unit": first.unit, "chance": first.chance, "greater_means": first.greater_means}
        ends = bounds.get(metric, (-math.inf, math.inf))
        yield seed_mean(metric, dict(where), by_seed, bounds=ends, **about)
