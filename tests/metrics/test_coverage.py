# SPDX-License-Identifier: Apache-2.0
"""The intervals hold the truth in simulated worlds, at the sizes that tables use. The table: docs/statistics.md."""

import sys
from itertools import product

import numpy as np
import pytest

from crossmem_hf.metrics.intervals import interval_of


@pytest.fixture(scope="module")
def simulation(root):
    """`benchmarks/coverage_of_intervals.py` as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        import coverage_of_intervals as module

        yield module
    sys.modules.pop("coverage_of_intervals", None)


@pytest.mark.parametrize("quantity", ["recall", "exposure", "gap", "transfer"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_simulated_intervals_are_the_librarys(simulation, quantity, seeds):
    world = simulation.World(quantity, seeds, 10, 4, 0.2, 0.3, 0.5 * (seeds > 1))
    values, _ = simulation.drawn(world, 20, np.random.default_rng(0))
    lows, highs = simulation.by_rule(quantity, values)
    for drawn, low, high in zip(values, lows, highs, strict=True):
        means = drawn.reshape(seeds * 10, -1)
        found = interval_of(
            means,
            np.ones_like(means),
            np.repeat(np.arange(seeds), 10),
            lambda columns: simulation.statistic(quantity, columns),
            bounds=(-1.0, 1.0) if quantity == "gap" else (0.0, 1.0),
        )
        assert found == pytest.approx((low, high))


def test_a_forgotten_seed_shows(simulation):
    """The old bootstrap over personas at 10 people x 3 seeds x 4 views, and the rule."""
    world, rng = simulation.World("recall", 3, 10, 4, 0.3, 0.3, 1.0), np.random.default_rng(1)
    assert simulation.looked(world, 400, rng, old=True)[0] < 0.8
    assert simulation.looked(world, 400, rng)[0] >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["recall", "exposure", "gap", "transfer"])
@pytest.mark.parametrize(("seeds", "personas"), product([1, 3, 5], [10, 40, 50]))
def test_coverage_is_what_the_page_says(simulation, quantity, seeds, personas):
    """At least 93 % in every world of every size."""
    found = simulation.row(quantity, seeds, personas, 400)
    assert found.lowest >= 0.93, found
    assert found.mean >= 0.95, found
