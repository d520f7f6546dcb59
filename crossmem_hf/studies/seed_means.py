# SPDX-License-Identifier: Apache-2.0
"""Numbers of seeds, pooled. It does not know what they are of."""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from crossmem_hf.report.record import Measurement, Value
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
