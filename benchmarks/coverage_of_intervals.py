# SPDX-License-Identifier: Apache-2.0
"""How often the intervals of `metrics.intervals` hold the truth, in simulated worlds whose truth is known.

    python benchmarks/coverage_of_intervals.py                    # the tables of docs/statistics.md, some CPU minutes
    python benchmarks/coverage_of_intervals.py --write            # put into docs/statistics.md
    python benchmarks/coverage_of_intervals.py --seeds 3 --personas 10 --draws 500

A world is a number of seeds, personas and views, a mean, a correlation between the views of one persona
(beta-binomial) and a standard deviation between seeds on the logit (logit-normal). With
one seed the truth is that of its population, with several that of all seeds. Beside the rule stands a percentile
bootstrap over personas that ignores seeds, which this project used before. A world that looks bad is drawn again, and
only the second draw counts, so that the lowest of many noisy numbers is not lower than it is.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crossmem_hf.metrics.intervals import SEED_MARGIN, UNIT, spread_intervals, unseen_share

FloatArray = NDArray[np.float64]
TAIL = 0.025
VIEWS = (1, 2, 4)
MEANS = (0.005, 0.02, 0.1, 0.3, 0.5, 0.9, 0.99)
CORRELATIONS = (0.0, 0.3, 0.8)
SEED_SDS = (0.0, 0.5, 1.0)
CANDIDATES = 50  # of Exposure
KEPT = 0.5  # of what is recalled in one modality, recalled in the other
LOOK_AGAIN = 0.95
PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
MARK = "<!-- python benchmarks/coverage_of_intervals.py --write -->\n"


@dataclass(frozen=True)
class World:
    """What is measured, of how many, and how it varies."""

    quantity: str
    seeds: int
    personas: int
    views: int
    mean: float
    correlation: float
    seed_sd: float


def worlds(quantity: str, seeds: int, personas: int) -> Iterator[World]:
    """All worlds of a size; views of one persona cannot be correlated where there is one."""
    for views, mean, correlation, seed_sd in product(VIEWS, MEANS, CORRELATIONS, SEED_SDS):
        if (views == 1 and correlation) or (seeds == 1 and seed_sd):
            continue
        yield World(quantity, seeds, personas, views, mean, correlation, seed_sd)


def intercept(mean: float, seed_sd: float) -> float:
    """The logit around which seeds scatter so that their mean is `mean`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        below = (weights * expit(middle + seed_sd * nodes)).sum() / weights.sum() < mean
        low, high = (middle, high) if below else (low, middle)
    return low


def drawn(world: World, draws: int, rng: np.random.Generator) -> tuple[FloatArray, float]:
    """(draws, seeds, personas, columns) means of each persona from 0 to 1, and the truth of the statistic."""
    shape = (draws, world.seeds, world.personas)
    rates = np.full((draws, world.seeds, 1), world.mean)
    if world.seed_sd:
        scatter = rng.standard_normal((draws, world.seeds, 1))
        rates = expit(intercept(world.mean, world.seed_sd) + world.seed_sd * scatter)
    chances = np.broadcast_to(rates, shape)
    if world.correlation:
        weight = 1 / world.correlation - 1
        chances = rng.beta(chances * weight, (1 - chances) * weight)
    right = rng.binomial(world.views, chances)
    if world.quantity == "recall":
        return right[..., None] / world.views, world.mean
    if world.quantity == "exposure":
        scale = 1 - np.log(np.arange(1, CANDIDATES + 1)) / np.log(CANDIDATES)
        own, of_view = rng.choice(scale, (*shape, 1)), rng.choice(scale, (*shape, world.views))
        guessed = np.where(rng.random((*shape, world.views)) < world.correlation, own, of_view)
        values = np.where(np.arange(world.views) < right[..., None], 1.0, guessed)
        return values.mean(-1, keepdims=True), world.mean + (1 - world.mean) * float(scale.mean())
    other = rng.binomial(world.views, chances * KEPT)
    truth = world.mean * (1 - KEPT) if world.quantity == "gap" else KEPT / (1 + KEPT)
    return np.stack([right, other], axis=-1) / world.views, truth


def statistic(quantity: str, means: FloatArray) -> FloatArray:
    """From (..., columns) to (...); of a transfer other / (same + other), NaN where both are 0."""
    if quantity == "gap":
        return np.asarray(means[..., 0] - means[..., 1])
    if quantity == "transfer":
        both = means.sum(axis=-1)
        return np.divide(means[..., 1], both, out=np.full_like(both, np.nan), where=both > 0)
    return np.asarray(means[..., 0])


def by_rule(quantity: str, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(draws,) ends of the intervals, as `intervals.interval_of` sets them; NaN where there is none."""
    draws, num_seeds, num_personas, columns = values.shape
    bounds = (-1.0, 1.0) if quantity == "gap" else UNIT
    personas = values.reshape(draws, num_seeds * num_personas, columns)
    means = personas.mean(axis=1)
    center = statistic(quantity, means)
    ends = []
    for level, margin in ((personas, 1.0), (values.mean(axis=2), SEED_MARGIN)):
        units = level.shape[1]
        if units > 1:
            left_out = statistic(quantity, (means[:, None] * units - level).clip(0.0) / (units - 1))
            ends.append(spread_intervals(center, left_out, units, bounds, TAIL, margin))
    share = unseen_share(num_seeds * num_personas, TAIL)
    corners = [
        statistic(quantity, (1 - share) * means + share * np.asarray(at)) for at in product(UNIT, repeat=columns)
    ]
    every = np.concatenate([*ends, np.stack(corners, axis=1)], axis=1)
    return every.min(axis=1), every.max(axis=1)


def by_bootstrap(
    quantity: str, values: FloatArray, rng: np.random.Generator, resamples: int = 200
) -> tuple[FloatArray, FloatArray]:
    """The same of a percentile bootstrap over personas, with the exact bound where all resamples agree."""
    draws, num_seeds, num_personas, columns = values.shape
    people = num_seeds * num_personas
    weights = rng.multinomial(people, np.full(people, 1 / people), size=resamples) / people
    flat = np.moveaxis(values.reshape(draws, people, columns), 1, 0).reshape(people, draws * columns)
    found = statistic(quantity, (weights @ flat).reshape(resamples, draws, columns))
    low, high = np.quantile(found, [TAIL, 1 - TAIL], axis=0)
    center = values.mean(axis=(1, 2))
    share = unseen_share(people, TAIL)
    mixed = [(1 - share) * center + share * np.asarray(at) for at in product(UNIT, repeat=columns)]
    corners = np.stack([statistic(quantity, one) for one in mixed])
    agree = ~(high - low > 1e-12)
    missing = np.isnan(statistic(quantity, center))
    low, high = np.where(agree, corners.min(axis=0), low), np.where(agree, corners.max(axis=0), high)
    return np.where(missing, np.nan, low), np.where(missing, np.nan, high)


def looked(world: World, draws: int, rng: np.random.Generator, *, old: bool = False) -> tuple[float, float]:
    """Coverage and mean width of one world; where nothing is measured nothing is claimed, and it counts as held."""
    values, truth = drawn(world, draws, rng)
    low, high = by_bootstrap(world.quantity, values, rng) if old else by_rule(world.quantity, values)
    held = np.isnan(low) | ((low <= truth + 1e-12) & (truth - 1e-12 <= high))
    return float(held.mean()), float(np.nanmean(high - low)) if not np.isnan(low).all() else 1.0


def coverage(world: World, draws: int, rng: np.random.Generator, *, old: bool = False) -> tuple[float, float]:
    """`looked`; twice, the second time longer and alone counting, where the first is below LOOK_AGAIN."""
    first = looked(world, draws, rng, old=old)
    return first if first[0] >= LOOK_AGAIN or old else looked(world, 5 * draws, rng)


@dataclass(frozen=True)
class Row:
    """All worlds of one quantity and size."""

    quantity: str
    seeds: int
    personas: int
    lowest: float
    worst: World
    mean: float
    width: float
    steady: float
    """The lowest of the worlds whose seeds differ by at most half a logit."""


def row(quantity: str, seeds: int, personas: int, draws: int, *, old: bool = False) -> Row:
    rng = np.random.default_rng([seeds, personas, draws])
    every = list(worlds(quantity, seeds, personas))
    found = [coverage(world, draws, rng, old=old) for world in every]
    shares = [share for share, _ in found]
    return Row(
        quantity=quantity,
        seeds=seeds,
        personas=personas,
        lowest=min(shares),
        worst=every[int(np.argmin(shares))],
        mean=float(np.mean(shares)),
        width=float(np.mean([width for _, width in found])),
        steady=min(share for share, world in zip(shares, every, strict=True) if world.seed_sd < 1),
    )


def table(quantities: list[str], seeds: list[int], personas: list[int], draws: int) -> Iterator[str]:
    heads = ("quantity", "seeds", "personas a seed", "lowest", "lowest, sd at most 0.5", "mean", "width")
    yield f"| {' | '.join((*heads, 'before: lowest', 'mean', 'width', 'the lowest is at'))} |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
    for quantity, num_seeds, num_personas in product(quantities, seeds, personas):
        new = row(quantity, num_seeds, num_personas, draws)
        old = row(quantity, num_seeds, num_personas, draws, old=True)
        at = new.worst
        cells = [f"{share:.1%}" for share in (new.lowest, new.steady, new.mean)]
        before = [f"{share:.1%}" for share in (old.lowest, old.mean)]
        where = f"mean {at.mean}, {at.views} views, correlation {at.correlation}, sd {at.seed_sd}"
        cells += [f"{100 * new.width:.0f}", *before, f"{100 * old.width:.0f}", where]
        yield f"| {quantity} | {num_seeds} | {num_personas} | {' | '.join(cells)} |".replace("%", " %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quantities", nargs="+", default=["recall", "exposure", "gap", "transfer"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 5, 10])
    parser.add_argument("--personas", nargs="+", type=int, default=[4, 10, 20, 40, 50])
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="put the table into docs/statistics.md")
    arguments = parser.parse_args()
    lines = []
    for line in table(arguments.quantities, arguments.seeds, arguments.personas, arguments.draws):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(before + MARK + "\n" + "\n".join(lines) + "\n\n" + MARK + after, encoding="utf-8")


if __name__ == "__main__":
    main()
