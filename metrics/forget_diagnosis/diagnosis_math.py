# SPDX-License-Identifier: Apache-2.0
"""What became of facts that were to be forgotten: the share forgotten, refused, drowned in noise, or still known.

Owns the columns of many items, the shares of their outcomes and the chance level of their ranks. Does not know what
produced the answers, the ranks or the perplexities, or that `evaluate` exists. Numpy and scipy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .answer_rules import OUTCOMES, REASONS, diagnose
from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval
from .matching import Names, accepted_names, chance_recall, checked_answers, normalize_name

_MIN_PERPLEXITY = 0.999  # 1, less what rounding takes off where a model is certain


@dataclass(frozen=True, slots=True)
class DiagnosisItems:
    """One reason an item; its outcome follows.

    Args:
        reason: (items,) keys of REASONS.
        rank: (items,) place of the truth among the candidates by likelihood, 1 = likeliest; None where not asked.
        num_candidates: (items,) K, at least 2; None where rank is.
    """

    reason: tuple[str, ...]
    rank: FloatArray | None = None
    num_candidates: NDArray[np.int64] | None = None

    @property
    def outcome(self) -> tuple[str, ...]:
        """(items,) one of OUTCOMES."""
        return tuple(REASONS[reason] for reason in self.reason)

    @property
    def normalized_rank(self) -> FloatArray | None:
        """(rank - 1) / (K - 1): 0 = the truth is likeliest, 1 = least likely, 0.5 by chance at any K."""
        if self.rank is None or self.num_candidates is None:
            return None
        return (self.rank - 1.0) / (self.num_candidates - 1.0)

    def as_lists(self) -> dict[str, list[str]]:
        """Plain lists, one entry an item, ready for JSON."""
        return {"item_outcome": list(self.outcome), "item_reason": list(self.reason)}


def diagnose_items(
    predictions: Sequence[str],
    references: Sequence[Names],
    *,
    truth_rank: Sequence[Any] | FloatArray | None = None,
    num_candidates: int | Sequence[int] | None = None,
    perplexity: Sequence[float | None] | FloatArray | None = None,
    perplexity_limit: float | None = None,
    refusals: Sequence[str] = (),
) -> DiagnosisItems:
    """`diagnose` of every item.

    Args:
        truth_rank: Place of each truth among its candidates by likelihood, 1 = likeliest, halves where mid-ranked.
        num_candidates: Candidates of each item, or one number for all; goes with truth_rank.
        perplexity: Of each answer under a model that was not unlearned; None where it was not measured.
        perplexity_limit: Goes with perplexity.
        refusals: Further phrases that mark a refusal.

    Raises:
        ValueError: No rows, lengths that differ, an argument without the one it goes with, or a malformed row; the row
            is named.

    Example:
        >>> diagnose_items(["Ada", "", "Bo"], ["Ada"] * 3).outcome
        ('still_known', 'collapsed', 'forgotten')
    """
    num_rows = len(predictions)
    if num_rows == 0:
        raise ValueError("No rows; expected at least one answer. Check that the rows were selected.")
    if len(references) != num_rows:
        raise ValueError(f"{len(references)} references for {num_rows} predictions; expected one a row. Pass all.")
    ranks, counts = _checked_ranks(truth_rank, num_candidates, num_rows)
    perplexities, limit = _checked_perplexities(perplexity, perplexity_limit, num_rows)
    if isinstance(refusals, str) or not all(isinstance(phrase, str) and normalize_name(phrase) for phrase in refusals):
        raise ValueError(f"refusals={refusals!r:.80}; expected a list of phrases with letters. Pass a list.")
    answers = checked_answers(predictions)
    names = [accepted_names(reference, row) for row, reference in enumerate(references)]
    reasons = tuple(
        diagnose(
            answers[row],
            names[row],
            rank=None if ranks is None else float(ranks[row]),
            perplexity=perplexities[row],
            perplexity_limit=limit,
            refusals=refusals,
        )
        for row in range(num_rows)
    )
    return DiagnosisItems(reasons, ranks, counts)


def diagnosis_summary(
    items: DiagnosisItems,
    *,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Share of each outcome, and whether the truths stand where chance would put them, clustered by persona.

    Args:
        persona_id: Persona of each item. Left out, every item is its own, which is too narrow an interval when one
            persona has several items.
        persona_seed: Seed of each item's population of personas; None if there is one population.

    Returns:
        still_known, refused, collapsed, forgotten (0-1, they sum to 1); said, the share that says the truth. With
        ranks also latent, the share that says something else although the truth ranks first (still_known = said +
        latent), chance_first, the share of first ranks if every rank were equally likely; normalized_rank (0-1; 0.5 by
        chance, below = the truth is preferred); and, where anything is forgotten, normalized_rank_forgotten over those
        items, its chance level chance_rank_forgotten, and n_forgotten. Each with _ci_low and _ci_high, except chance
        levels and counts; n. Never NaN.

    Raises:
        ValueError: persona_id or persona_seed does not fit the items.

    Example:
        >>> diagnosis_summary(diagnose_items(["Ada", "", "Bo", "Bo"], ["Ada"] * 4))["forgotten"]
        0.5
    """
    num_items = len(items.reason)
    clusters = Clusters.of(persona_id, num_items, persona_seed)
    outcomes, reasons = np.asarray(items.outcome), np.asarray(items.reason)
    columns = {name: outcomes == name for name in OUTCOMES} | {"said": reasons == "said"}
    ranks = items.normalized_rank
    if ranks is not None:
        columns |= {"latent": reasons == "ranked_first", "normalized_rank": ranks}
    summary: dict[str, float] = {}
    for name, column in columns.items():
        summary |= _mean(name, column.astype(np.float64), clusters, confidence)
    forgotten = columns["forgotten"]
    if ranks is not None and items.num_candidates is not None:
        counts = items.num_candidates
        summary["chance_first"] = chance_recall(counts.tolist(), num_items)
        if forgotten.any():
            summary |= _mean("normalized_rank_forgotten", ranks[forgotten], clusters.among(forgotten), confidence)
            left = counts[forgotten] / (2.0 * (counts[forgotten] - 1.0))  # mean of the ranks 2 to K, normalized
            summary |= {"chance_rank_forgotten": float(left.mean()), "n_forgotten": int(forgotten.sum())}
    return summary | {"n": num_items}


def _mean(name: str, values: FloatArray, clusters: Clusters, confidence: float) -> dict[str, float]:
    """A mean of numbers from 0 to 1 with its interval."""
    low, high = mean_interval(values, clusters, confidence=confidence)
    return {name: float(values.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}


def _checked_ranks(
    truth_rank: Sequence[Any] | FloatArray | None, num_candidates: int | Sequence[int] | None, num_rows: int
) -> tuple[FloatArray, NDArray[np.int64]] | tuple[None, None]:
    """Ranks and candidate counts as arrays, each rank inside its list."""
    if (truth_rank is None) != (num_candidates is None):
        raise ValueError("truth_rank and num_candidates go together; expected both or neither. Pass both.")
    if truth_rank is None or num_candidates is None:
        return None, None
    counts = np.asarray(
        [num_candidates] * num_rows if isinstance(num_candidates, int | np.integer) else list(num_candidates)
    )
    for name, column in (("truth_rank", truth_rank), ("num_candidates", counts)):
        if len(column) != num_rows:
            raise ValueError(f"{name} has {len(column)} entries for {num_rows} rows; expected one a row. Pass all.")
    for row, (rank, count) in enumerate(zip(truth_rank, counts, strict=True)):
        if not isinstance(count, int | np.integer) or count < 2:
            raise ValueError(f"Row {row}: num_candidates {count!s}; expected at least 2. Give the truth a rival.")
        if not isinstance(rank, int | float | np.integer | np.floating) or not 1 <= rank <= count:
            raise ValueError(
                f"Row {row}: truth_rank {rank!s}; expected a number from 1 to {count}. Rank the truth by likelihood."
            )
    return np.asarray(truth_rank, dtype=np.float64), counts.astype(np.int64)


def _checked_perplexities(
    perplexity: Sequence[float | None] | FloatArray | None, limit: float | None, num_rows: int
) -> tuple[Sequence[float | None], float]:
    """Perplexities, None where unknown, and the limit."""
    if (perplexity is None) != (limit is None):
        raise ValueError("perplexity and perplexity_limit go together; expected both or neither. Pass both.")
    if perplexity is None or limit is None:
        return [None] * num_rows, np.inf
    if not limit > 1.0:
        raise ValueError(f"perplexity_limit={limit!r}; expected a number above 1. Take it from answers known good.")
    if len(perplexity) != num_rows:
        raise ValueError(
            f"perplexity has {len(perplexity)} entries for {num_rows} rows; expected one a row. Pass all."
        )
    for row, value in enumerate(perplexity):
        if value is not None and not (isinstance(value, int | float | np.number) and value >= _MIN_PERPLEXITY):
            raise ValueError(f"Row {row}: perplexity {value!s}; expected 1 or more, or None. Pass exp(mean NLL).")
    return list(perplexity), limit
