# SPDX-License-Identifier: Apache-2.0
"""When each sequence was memorized and forgotten, read from one exact match a sequence and evaluation. It does not
know how these were measured, or of what model.

Shapes: ``E`` evaluations in order of their steps, ``N`` sequences. What happens between two evaluations and is undone
before the second is not seen, so all counts of events depend on how often was evaluated.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.metrics.intervals import Clusters, mean_interval

MEMORIZED_AT: Final = 0.95
"""From which exact match on a dataset counts as memorized."""
OWN_COLUMNS: Final = ("sequence", "step", "exact_match", "in_batch")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """One training as a table of sequences and evaluations.

    Attributes:
        sequences_N: Number of each sequence among the rows that it was taken from.
        steps_E: Optimizer steps of the evaluations, ascending; 0 is the model before training.
        exact_match_EN: Whether the model said all of the sequence's answer.
        in_batch_EN: 1 where it trained on the sequence since the evaluation before, 0 where not, NaN where that is not
            known.
        columns: What else is known of the sequences, a value each, such as their kind.
    """

    sequences_N: NDArray[np.int64]
    steps_E: NDArray[np.int64]
    exact_match_EN: NDArray[np.bool_]
    in_batch_EN: FloatArray
    columns: Mapping[str, Sequence[Any]]

    @property
    def newly_memorized_EN(self) -> NDArray[np.bool_]:
        """Where a sequence is memorized that was not at the evaluation before; nowhere at the first."""
        return self._changed(True)

    @property
    def newly_forgotten_EN(self) -> NDArray[np.bool_]:
        """Where a sequence is not memorized that was at the evaluation before: the forgetting events."""
        return self._changed(False)

    def _changed(self, to: bool) -> NDArray[np.bool_]:
        changed = np.zeros_like(self.exact_match_EN)
        changed[1:] = (self.exact_match_EN[1:] == to) & (self.exact_match_EN[:-1] != to)
        return changed

    def as_table(self) -> pa.Table:
        """A row for each sequence and evaluation: sequence, what is in `columns`, step, exact_match, in_batch."""
        evaluations, number = self.exact_match_EN.shape
        in_batch = self.in_batch_EN.ravel()
        table: dict[str, Any] = {"sequence": np.tile(self.sequences_N, evaluations)}
        table |= {name: pa.array(list(values) * evaluations) for name, values in self.columns.items()}
        table |= {"step": np.repeat(self.steps_E, number), "exact_match": self.exact_match_EN.ravel()}
        return pa.table(table | {"in_batch": pa.array(in_batch == 1.0, mask=np.isnan(in_batch))})


def read_dynamics(source: str | os.PathLike[str] | pa.Table) -> Dynamics:
    """What a training left in its Parquet file, or the table of it.

    Raises:
        CrossmemError: The file cannot be read, a column is missing, or not every sequence was evaluated once at every
            step.

    Example:
        >>> table = pa.table(
        ...     {"sequence": [0, 1, 0, 1], "step": [0, 0, 9, 9], "exact_match": [False, False, True, False],
        ...      "in_batch": [None, None, True, False]})
        >>> read_dynamics(table).newly_memorized_EN.tolist()
        [[False, False], [True, False]]
    """
    table = source if isinstance(source, pa.Table) else _stored(source)
    missing = [name for name in OWN_COLUMNS if name not in table.column_names]
    if missing:
        raise CrossmemError(
            f"The table has the columns {table.column_names!r} and lacks {missing!r}.",
            "Pass what MemorizationDynamicsCallback wrote.",
        )
    table = table.sort_by([("step", "ascending"), ("sequence", "ascending")])
    steps, sequences = (np.unique(table[name].to_numpy()) for name in ("step", "sequence"))
    shape = len(steps), len(sequences)
    pairs = np.stack([table["step"].to_numpy(), table["sequence"].to_numpy()])
    wanted = np.stack([np.repeat(steps, shape[1]), np.tile(sequences, shape[0])])
    if not table.num_rows or not np.array_equal(pairs, wanted):
        raise CrossmemError(
            f"The table has {table.num_rows} rows of {shape[1]} sequences and {shape[0]} steps; expected one of each.",
            "Pass the whole table of one training.",
        )
    in_batch = [math.nan if value is None else float(value) for value in table["in_batch"].to_pylist()]
    about = [name for name in table.column_names if name not in OWN_COLUMNS]
    return Dynamics(
        sequences,
        steps,
        table["exact_match"].to_numpy().astype(bool).reshape(shape),
        np.asarray(in_batch).reshape(shape),
        {name: table[name][: shape[1]].to_pylist() for name in about},
    )


def _stored(path: str | os.PathLike[str]) -> pa.Table:
    try:
        return parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise CrossmemError(f"Could not read {os.fspath(path)!r}: {error}.", "Pass a Parquet file.") from error


def first_memorized(dynamics: Dynamics) -> FloatArray:
    """(N,) step of the first evaluation at which each sequence was memorized; infinite where it never was."""
    return _first(dynamics.exact_match_EN, dynamics.steps_E)


def first_forgotten(dynamics: Dynamics) -> FloatArray:
    """(N,) step of each sequence's first forgetting event; infinite where it has none."""
    return _first(dynamics.newly_forgotten_EN, dynamics.steps_E)


def _first(happened_EN: NDArray[np.bool_], steps_E: NDArray[np.int64]) -> FloatArray:
    return np.where(happened_EN.any(axis=0), steps_E[happened_EN.argmax(axis=0)], math.inf)


def histogram(first_N: FloatArray, dynamics: Dynamics) -> dict[int, int]:
    """Step of each evaluation -> how many sequences it was the first for; those that are infinite are in no bin.

    Args:
        first_N: Of `first_memorized` or `first_forgotten`.
    """
    return {int(step): int((first_N == step).sum()) for step in dynamics.steps_E}


def forgetting_events(dynamics: Dynamics) -> NDArray[np.int64]:
    """(N,) how often each sequence went from memorized to not memorized, from one evaluation to the next."""
    events_N: NDArray[np.int64] = dynamics.newly_forgotten_EN.sum(axis=0)
    return events_N


@dataclass(frozen=True, slots=True, kw_only=True)
class RecencyOverlap:
    """How much newly memorized sequences are those that were just trained on.

    Attributes:
        share: Newly memorized sequences that were in the last batches, 0 to 1: the paper's |N & B| / |N|, pooled over
            evaluations.
        chance: The same share if whoever was not yet memorized were equally likely to be memorized, in those batches
            or not. 1 where an interval between evaluations holds a whole epoch, and nothing can be said.
        excess: `share` - `chance`, -1 to 1; 0 if recency makes no difference.
        ci: 95 % interval of `excess`: the wider of those with a sequence as the independent unit and with an
            evaluation, since one batch brings several at once.
        of_batch: Sequences in the last batches that were newly memorized, 0 to 1: the paper's |N & B| / |B|, pooled.
        n: Newly memorized sequences, each as often as it was.
    """

    share: float
    chance: float
    excess: float
    ci: tuple[float, float]
    of_batch: float
    n: int


def recency_overlap(dynamics: Dynamics) -> RecencyOverlap:
    """Whether a model memorizes what it has just trained on, beyond what chance gives.

    The batches are those since the evaluation before; with an evaluation a step it is the paper's last batch. The
    interval says nothing about other trainings: those are pooled as seeds (docs/statistics.md).

    Raises:
        CrossmemError: No sequence was newly memorized of which it is known whether it was in a batch.

    Reference:
        Panwar et al., Transformers Seek Patterns, https://openreview.net/forum?id=98NrkXPRZ9;
        the comparison with chance is ours.
    """
    known = ~np.isnan(dynamics.in_batch_EN)
    at_risk = known.copy()
    at_risk[0] = False
    at_risk[1:] &= ~dynamics.exact_match_EN[:-1]
    events = at_risk & dynamics.exact_match_EN
    if not events.any():
        raise CrossmemError(
            "No sequence was newly memorized of which it is known whether it was in a batch.",
            "Train longer, evaluate more often, or evaluate the sequences that are trained on.",
        )
    in_batch = np.where(known, dynamics.in_batch_EN, 0.0)
    chance_E = (in_batch * at_risk).sum(axis=1) / np.maximum(at_risk.sum(axis=1), 1)
    evaluation, sequence = np.nonzero(events)
    excess = in_batch[events] - chance_E[evaluation]
    intervals = [
        mean_interval(excess, Clusters.of(units.tolist(), len(excess)), bounds=(-1.0, 1.0))
        for units in (evaluation, sequence)
    ]
    lows, highs = zip(*intervals, strict=True)
    return RecencyOverlap(
        share=float(in_batch[events].mean()),
        chance=float(chance_E[evaluation].mean()),
        excess=float(excess.mean()),
        ci=(min(lows), max(highs)),
        of_batch=float(in_batch[events].sum() / max(in_batch[1:].sum(), 1.0)),
        n=len(excess),
    )


def burstiness(dynamics: Dynamics) -> float:
    """How much more than by chance sequences are memorized for the first time together, 0 and more.

    With c the number that an evaluation finds memorized for the first time, it is the mean squared difference of c
    between neighboring evaluations, over twice the mean of c. It is about 1 for sequences that are memorized
    independently, also if their rate rises or falls slowly over many evaluations, as in any training; above 1 for
    bursts. The measure is ours, and has no interval. Evaluations that follow the one before at another distance than
    the second follows the first are left out.

    Raises:
        CrossmemError: Fewer than three evaluations at equal distances, or nothing was memorized.
    """
    first = first_memorized(dynamics)
    counts = np.asarray([(first == step).sum() for step in dynamics.steps_E[1:]], dtype=np.float64)
    distances = np.diff(dynamics.steps_E)
    counts = counts[distances == distances[:1].sum()]
    if len(counts) < 2 or not counts.any():
        raise CrossmemError(
            f"{len(counts) + 1} evaluations at equal distances found {int(counts.sum())} sequences memorized; "
            "expected at least three evaluations and one sequence.",
            "Train longer or evaluate more often.",
        )
    return float((np.diff(counts) ** 2).mean() / (2.0 * counts.mean()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How a group of sequences was memorized.

    Attributes:
        name: What the sequences have in the column.
        median_first: Median of the steps at which they were first memorized; infinite if half or more never were.
        ever: Share that was memorized at some evaluation, 0 to 1.
        last: Share that was memorized at the last.
        ci: 95 % interval of `last`, with a sequence as the independent unit.
        forgettings: Mean number of forgetting events a sequence.
        n: Sequences.
    """

    name: Any
    median_first: float
    ever: float
    last: float
    ci: tuple[float, float]
    forgettings: float
    n: int


def groups_in_order(dynamics: Dynamics, column: str) -> list[Group]:
    """The groups that a column makes, the one that is memorized first in front.

    The order has no interval: the rule of docs/statistics.md is for means, and a median of steps at which evaluations
    happened to be is none. Whether it holds, several seeds say.

    Raises:
        CrossmemError: There is no such column.
    """
    if column not in dynamics.columns:
        raise unknown("column", [column], dynamics.columns)
    values, first = list(dynamics.columns[column]), first_memorized(dynamics)
    forgettings, found = forgetting_events(dynamics), []
    for name in dict.fromkeys(values):
        own = np.asarray([value == name for value in values])
        last = dynamics.exact_match_EN[-1, own].astype(np.float64)
        group = Group(
            name=name,
            median_first=_median(first[own]),
            ever=float(np.isfinite(first[own]).mean()),
            last=float(last.mean()),
            ci=mean_interval(last, Clusters.of(None, len(last))),
            forgettings=float(forgettings[own].mean()),
            n=int(own.sum()),
        )
        found.append(group)
    return sorted(found, key=lambda group: (group.median_first, str(group.name)))


def _median(steps: FloatArray) -> float:
    """Without the infinity minus infinity of an interpolation."""
    low, high = np.sort(steps)[[(len(steps) - 1) // 2, len(steps) // 2]]
    return float(high if math.isinf(high) else (low + high) / 2)


def minimal_size(
    sizes: Sequence[float], exact_match: Sequence[float], *, threshold: float = MEMORIZED_AT
) -> float | None:
    """The smallest model that memorizes a dataset: whose exact match is at least the threshold. None if none does.

    Larger ones need not, as exact match after a number of steps may fall with size.

    Args:
        sizes: Of the models, such as their numbers of parameters; each once, in any order.
        exact_match: Share of the dataset that each memorized, 0 to 1.

    Raises:
        CrossmemError: No sizes, one twice, not one exact match a size, or a number out of range.

    Reference:
        Panwar et al., Transformers Seek Patterns, https://openreview.net/forum?id=98NrkXPRZ9.

    Example:
        >>> minimal_size([4e6, 0.5e6, 1e6], [1.0, 0.41, 0.96])
        1000000.0
    """
    if not sizes or len(sizes) != len(exact_match) or len(set(sizes)) != len(sizes):
        raise CrossmemError(
            f"{len(sizes)} sizes, {len(set(sizes))} of them different, came with {len(exact_match)} exact matches; "
            "expected one for each of at least one size.",
            "Average over seeds first.",
        )
    wrong = [value for value in (*exact_match, threshold) if not 0.0 <= value <= 1.0]
    if wrong or not all(0 < size < math.inf for size in sizes):
        raise CrossmemError(
            f"Sizes {list(sizes)!r} with shares {[*exact_match, threshold]!r}; expected positive sizes and 0 to 1.",
            "Pass numbers of parameters and shares.",
        )
    return min((size for size, share in zip(sizes, exact_match, strict=True) if share >= threshold), default=None)
