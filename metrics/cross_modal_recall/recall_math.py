# SPDX-License-Identifier: Apache-2.0
"""Recall of names by the modality they were learnt in (source) and the one they are asked in (target).

Owns the matching rule, the 2 x 2 matrix, its gaps and transfer ratios. Does not know what produced the answers or
that `evaluate` exists. Numpy only.
"""

import math
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .intervals import (
    DEFAULT_RESAMPLING,
    FloatArray,
    Resampling,
    Statistic,
    bootstrap_interval,
    cluster_codes,
    column_mean,
)

Match = Literal["exact", "contains"]
Names = str | Sequence[str]

MODALITIES = ("image", "text")
CELLS = tuple((source, target) for source in MODALITIES for target in MODALITIES)
_APOSTROPHES = "'`\u00b4\u2018\u2019\u02bc"


def normalise_name(text: str) -> str:
    r"""The form in which names are compared: lower case, no punctuation, single spaces.

    Unicode compatibility forms are unified first. Apostrophes vanish (O'Neil = ONeil); every other character that
    is no letter, digit or accent becomes a space (Mary-Jane = Mary Jane). Accents count (José is not Jose).

    Example:
        >>> normalise_name("  Dr. Mary-Jane O'NEIL.\n")
        'dr mary jane oneil'
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (
        "" if character in _APOSTROPHES else character if unicodedata.category(character)[0] in "LNM" else " "
        for character in folded
    )
    return " ".join("".join(kept).split())


def accepted_names(reference: Names, row: int = 0) -> list[str]:
    """The accepted spellings of one row as a list; `row` is named in errors.

    Raises:
        ValueError: Neither a string nor a non-empty list of strings, or a name without a letter or digit.
    """
    names = [reference] if isinstance(reference, str) else reference
    if isinstance(names, bytes) or not isinstance(names, Sequence | np.ndarray):
        raise ValueError(f"Row {row}: reference {reference!r}; expected a name or a list of names. Pass a string.")
    if len(names) == 0:
        raise ValueError(f"Row {row}: no accepted name; expected at least one. Pass the full name.")
    for name in names:
        if not isinstance(name, str) or not normalise_name(name):
            raise ValueError(f"Row {row}: reference {name!r}; expected a name with letters. Pass the full name.")
    return list(names)


def checked_answers(predictions: Sequence[Any]) -> list[str]:
    """The answers as a list of strings; an empty string is an answer.

    Raises:
        ValueError: One is no string; the row is named.
    """
    for row, prediction in enumerate(predictions):
        if not isinstance(prediction, str):
            raise ValueError(f"Row {row}: prediction {prediction!r}; expected a string. Pass the decoded answer.")
    return list(predictions)


def is_match(prediction: str, reference: Names, match: Match = "exact") -> bool:
    """Whether an answer names the person, after `normalise_name` on both sides.

    Args:
        reference: The full name, or all accepted spellings of it.
        match: "exact" = the answer is the name and nothing else; "contains" = the name occurs in the answer as whole
            words in a row, which a rambling answer also satisfies.

    Raises:
        ValueError: An unknown `match`, an answer that is no string, no name to compare with.

    Example:
        >>> is_match("It is ada okoye!", "Ada Okoye"), is_match("It is ada okoye!", "Ada Okoye", "contains")
        (False, True)
    """
    return bool(row_matches([prediction], [reference], match)[0])


def row_matches(predictions: Sequence[str], references: Sequence[Names], match: Match = "exact") -> NDArray[np.bool_]:
    """`is_match` of every row: (rows,).

    Raises:
        ValueError: No rows, lengths that differ, or a row that is no string or has no name; the row is named.
    """
    if match not in get_args(Match):
        raise ValueError(f"match={match!r}; expected one of {list(get_args(Match))}. Pass one of them.")
    if len(predictions) == 0:
        raise ValueError("No rows; expected at least one answer. Check that the rows were selected.")
    if len(references) != len(predictions):
        raise ValueError(
            f"{len(references)} references for {len(predictions)} predictions; expected one a row. Pass both in full."
        )
    answers = [normalise_name(answer) for answer in checked_answers(predictions)]
    names = [
        [normalise_name(name) for name in accepted_names(reference, row)] for row, reference in enumerate(references)
    ]
    if match == "exact":
        found = [answer in accepted for answer, accepted in zip(answers, names, strict=True)]
    else:
        found = [
            any(f" {name} " in f" {answer} " for name in accepted)
            for answer, accepted in zip(answers, names, strict=True)
        ]
    return np.asarray(found, dtype=np.bool_)


def chance_recall(num_candidates: int | Sequence[int], num_rows: int) -> float:
    """Expected recall of someone who picks one of the candidate names at random: the mean of 1 / candidates.

    Args:
        num_candidates: One number for all rows, or one a row.

    Raises:
        ValueError: A number below 1, or not one a row; the row is named.
    """
    per_row = [num_candidates] * num_rows if isinstance(num_candidates, int | np.integer) else list(num_candidates)
    if len(per_row) != num_rows:
        raise ValueError(
            f"{len(per_row)} num_candidates for {num_rows} rows; expected one a row. Pass a single number."
        )
    for row, number in enumerate(per_row):
        if not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(
                f"Row {row}: num_candidates {number!r}; expected a whole number of at least 1. Count names."
            )
    return math.fsum(1.0 / number for number in per_row) / num_rows


def recall_summary(
    predictions: Sequence[str],
    references: Sequence[Names],
    source: Sequence[str],
    target: Sequence[str],
    persona_id: Sequence[Any],
    *,
    match: Match = "exact",
    num_candidates: int | Sequence[int] | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, float]:
    """The recall matrix with gaps, transfer ratios and intervals clustered by persona.

    Args:
        source: Modality the name was learnt in, "image" or "text", one a row.
        target: Modality the question was asked in.
        persona_id: Person asked about; intervals resample persons, all their rows together.
        num_candidates: Names a guesser could choose from; adds `chance`.

    Returns:
        For each cell with rows `<source>_to_<target>` (0-1, higher = better recalled). For each source with both
        cells `gap_<source>` = same-modality - other-modality recall (-1 to 1, 0 = nothing lost) and
        `transfer_<source>` = other / same (0 = nothing carries over, 1 = all). Each with `_ci_low`, `_ci_high` and
        `_n` (the rows behind it), and `chance`. Never NaN: a number that is undefined (transfer where nothing is
        recalled in the source modality) is left out, and so is an interval where more resamples than one tail
        holds are undefined.

    Raises:
        ValueError: No rows, lengths that differ, an unknown modality or a malformed row; the row is named.
    """
    matched = row_matches(predictions, references, match)
    columns = _cell_of_rows(source, target, len(matched))
    codes = cluster_codes(persona_id, len(matched))
    shape = (int(codes.max()) + 1, len(CELLS))
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (codes, columns), matched)
    np.add.at(counts, (codes, columns), 1.0)

    summary: dict[str, float] = {}
    for column, (learnt, asked) in enumerate(CELLS):
        _add(summary, f"{learnt}_to_{asked}", sums, counts, [column], column_mean, resampling)
    for learnt in MODALITIES:
        other = next(modality for modality in MODALITIES if modality != learnt)
        pair = [CELLS.index((learnt, learnt)), CELLS.index((learnt, other))]
        _add(summary, f"gap_{learnt}", sums, counts, pair, _gap, resampling)
        _add(summary, f"transfer_{learnt}", sums, counts, pair, _transfer, resampling)
    if num_candidates is not None:
        summary["chance"] = chance_recall(num_candidates, len(matched))
    return summary


def _gap(means_ND: FloatArray) -> FloatArray:
    """Same - other."""
    return means_ND[:, 0] - means_ND[:, 1]


def _transfer(means_ND: FloatArray) -> FloatArray:
    """Other / same; NaN where same is 0."""
    same, other = means_ND[:, 0], means_ND[:, 1]
    return np.divide(other, same, out=np.full_like(other, np.nan), where=same > 0)


def _add(
    summary: dict[str, float],
    name: str,
    sums_GC: FloatArray,
    counts_GC: FloatArray,
    columns: list[int],
    statistic: Statistic,
    resampling: Resampling,
) -> None:
    """Put one number, its interval and its n into the summary, as far as the rows define them."""
    asked = counts_GC[:, columns].sum(axis=1) > 0  # persons outside these cells would only add noise
    sums, counts = sums_GC[asked][:, columns], counts_GC[asked][:, columns]
    if not counts.sum(axis=0).all():
        return
    value = float(statistic((sums.sum(axis=0) / counts.sum(axis=0))[None, :])[0])
    if math.isnan(value):
        return
    summary[name] = value
    interval = bootstrap_interval(sums, counts, statistic, resampling=resampling)
    if interval is not None:
        summary[f"{name}_ci_low"], summary[f"{name}_ci_high"] = interval
    summary[f"{name}_n"] = int(counts.sum())


def _cell_of_rows(source: Sequence[str], target: Sequence[str], num_rows: int) -> NDArray[np.intp]:
    """Place of each row's (source, target) in CELLS."""
    for name, column in (("source", source), ("target", target)):
        if len(column) != num_rows:
            raise ValueError(f"{name} has {len(column)} entries for {num_rows} rows; expected one a row. Pass all.")
        for row, modality in enumerate(column):
            if modality not in MODALITIES:
                raise ValueError(f"Row {row}: {name} {modality!r}; expected one of {list(MODALITIES)}. Fix the row.")
    return np.asarray([CELLS.index(cell) for cell in zip(source, target, strict=True)], dtype=np.intp)
