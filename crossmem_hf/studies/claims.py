# SPDX-License-Identifier: Apache-2.0
"""What a study says of a paper's claim: a contrast a seed, an interval over seeds, a verdict. It knows no study."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import ENOUGH_SEEDS, Measurement, Value, Verdict

MIN_SEEDS: Final = ENOUGH_SEEDS
"""Fewer seeds always leave a claim inconclusive."""

Find = Callable[..., float]
"""`find(metric, **where)`: that value of one seed, by exactly these keys; a contrast that asks for what was not
measured has no effect in that seed."""
_Table = Mapping[tuple[str, frozenset[tuple[str, Value]]], float]
"""What one seed measured: metric and place -> value."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that measurements can support or contradict.

    Attributes:
        sentence: The claim, e.g. ``"Names learned from portraits are recalled less from descriptions."``
        paper: Where it is from.
        contrast: Computes the effect in one seed; None if it has no meaning there.
        threshold: What the effect is held against.
        unit: Of effect and threshold.
        within: What no effect is beyond, such as ``(0, 1)`` for a share; there its interval is cut.
        direction: ``"above"`` if a greater effect supports the claim, ``"below"`` if a lower one does.
        question: What it helps to answer; claims of one question are shown together.
        differs: In what this differs from the paper.

    Raises:
        CrossmemError: Another direction, or a threshold that is not finite.

    Example:
        >>> Claim(
        ...     sentence="Unlearning by NPO lowers recall.",
        ...     paper="ours",
        ...     contrast=lambda find: find("recall", stage="memorized") - find("recall", stage="unlearned"),
        ... ).threshold
        0.0
    """

    sentence: str
    paper: str
    contrast: Callable[[Find], float | None]
    threshold: float = 0.0
    unit: str = "proportion"
    within: tuple[float, float] = (-math.inf, math.inf)
    direction: Literal["above", "below"] = "above"
    question: str = ""
    differs: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("above", "below") or not math.isfinite(self.threshold):
            raise CrossmemError(
                f"Claim {self.sentence!r}: direction={self.direction!r}, threshold={self.threshold!r}.",
                "Say above or below, and a finite threshold.",
            )


_SAME: Final = 1e-9
"""Effects that differ by no more are the same, and arithmetic alone tells them apart."""


class _NotMeasuredError(Exception):
    """A contrast asked for what a seed has not."""


def verdict(claim: Claim, measurements: Sequence[Measurement], seeds: Sequence[int]) -> Verdict:
    """The claim held against what each seed measured: one of `verdicts`."""
    return verdicts([claim], measurements, seeds)[0]


def verdicts(
    claims: Iterable[Claim], measurements: Sequence[Measurement], seeds: Sequence[int]
) -> tuple[Verdict, ...]:
    """Claims held against what each seed measured.

    Returns:
        Effect: mean of the seeds' contrasts, with its 95 % t interval over seeds, none where they are equal.
        Supported if the whole interval is beyond the threshold, contradicted if it is wholly on the other side, else
        inconclusive; so with fewer than MIN_SEEDS seeds.
    """
    tables = [_table(own for one in measurements if (own := one.in_seed(seed)) is not None) for seed in seeds]
    return tuple(_held(claim, tables) for claim in claims)


def _held(claim: Claim, tables: Sequence[_Table]) -> Verdict:
    effects = [effect for table in tables if (effect := _effect(claim, table)) is not None]
    ci = _interval(effects, claim.within) if len(effects) > 1 and np.ptp(effects) > _SAME else None
    found, reason = _judged(claim, len(effects), ci)
    missing = len(tables) - len(effects)
    if missing and effects:
        reason = " ".join(filter(None, [reason, f"Not measured in {missing} of {len(tables)} seeds."]))
    return Verdict(
        sentence=claim.sentence,
        paper=claim.paper,
        effect=float(np.mean(effects)) if effects else None,
        ci=ci,
        n=len(effects),
        threshold=claim.threshold,
        unit=claim.unit,
        verdict=found,
        reason=reason,
        question=claim.question,
        differs=claim.differs,
    )


def _judged(
    claim: Claim, n: int, ci: tuple[float, float] | None
) -> tuple[Literal["supported", "contradicted", "inconclusive"], str]:
    if n == 0:
        return "inconclusive", "It was not measured."
    if n < MIN_SEEDS:
        return "inconclusive", f"{n} seed{'s' * (n != 1)}; at least {MIN_SEEDS} are needed."
    if ci is None:
        return "inconclusive", "All seeds gave the same effect, which sets no interval."
    above, below = ci[0] > claim.threshold, ci[1] < claim.threshold
    if not above and not below:
        return "inconclusive", "The interval includes the threshold."
    return ("supported" if above == (claim.direction == "above") else "contradicted"), ""


def _table(measurements: Iterable[Measurement]) -> _Table:
    return {(m.metric, _without_seed(m.where)): m.value for m in measurements}


def _effect(claim: Claim, table: _Table) -> float | None:
    """The contrast in one seed; None where something it needs is missing or it is no number."""

    def find(metric: str, **where: Value) -> float:
        try:
            return table[metric, _without_seed(where)]
        except KeyError:
            raise _NotMeasuredError from None

    try:
        effect = claim.contrast(find)
    except (_NotMeasuredError, ZeroDivisionError):
        return None
    return effect if effect is not None and math.isfinite(effect) else None


def _without_seed(where: dict[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset((name, value) for name, value in where.items() if name != "seed")


def _interval(effects: Sequence[float], within: tuple[float, float]) -> tuple[float, float]:
    low, high = t_interval(effects)
    return max(low, within[0]), min(high, within[1])


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean of at least two independent values, such as the effects of seeds.

    Example:
        >>> low, high = t_interval([0.1, 0.2, 0.3])
        >>> round(low, 3), round(high, 3)
        (-0.048, 0.448)
    """
    from scipy.special import stdtrit

    column = np.asarray(values, dtype=np.float64)
    half = float(stdtrit(len(column) - 1, (1 + confidence) / 2) * column.std(ddof=1) / math.sqrt(len(column)))
    mean = float(column.mean())
    return mean - half, mean + half
