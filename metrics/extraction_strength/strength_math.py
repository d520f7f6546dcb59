# SPDX-License-Identifier: Apache-2.0
"""Extraction strength: how long an end of the answer a model completes by itself, from its teacher-forced choices.

Owns the right suffix of each answer and what is counted from it. Does not know which model made the choices, what a
token says, or that `evaluate` exists. Numpy and scipy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval


@dataclass(frozen=True, slots=True)
class StrengthItems:
    """What each answer's matches come down to.

    Args:
        num_tokens: (items,) T, tokens of the answer, at least 1.
        num_right: (items,) tokens that are the model's first choice, the true tokens before them given.
        suffix: (items,) length of the longest end of the answer in which all are right, 0 to T.
    """

    num_tokens: NDArray[np.int64]
    num_right: NDArray[np.int64]
    suffix: NDArray[np.int64]

    @property
    def extraction_strength(self) -> FloatArray:
        """Suffix / T: 1 = the question alone suffices, 0 = not even the last token follows from all the others."""
        return self.suffix / self.num_tokens

    @property
    def token_match(self) -> FloatArray:
        """num_right / T."""
        return self.num_right / self.num_tokens

    @property
    def all_match(self) -> FloatArray:
        """1 where all tokens are right, else 0. Greedy decoding then gives the whole answer, and only then."""
        return (self.num_right == self.num_tokens).astype(np.float64)

    def as_lists(self) -> dict[str, list[float]]:
        """Plain lists, one entry an item, ready for JSON."""
        columns = {
            "item_num_tokens": self.num_tokens,
            "item_extraction_strength": self.extraction_strength,
            "item_token_match": self.token_match,
            "item_all_match": self.all_match,
        }
        return {name: column.tolist() for name, column in columns.items()}


def strength_items(matches: Sequence[Any]) -> StrengthItems:
    """Right suffix and right tokens of each answer.

    OpenUnlearning defines the strength as 1 - k / T with k the first place from which all tokens match, but its code
    leaves k = T - 1 where none matches, which gives 1 / T; here no match is 0.

    Args:
        matches: One list of booleans an item: whether each answer token is the model's first choice, the true tokens
            before it given.

    Raises:
        ValueError: No items, or an item without tokens or with anything but booleans; the row is named.

    Example:
        >>> strength_items([[True, False, True, True], [False], [True, True]]).extraction_strength
        array([0.5, 0. , 1. ])
    """
    if len(matches) == 0:
        raise ValueError("No items; expected at least one list of matches. Check that the rows were selected.")
    rows = [_checked_row(values, row, "matches", "b") for row, values in enumerate(matches)]
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    flat = np.concatenate(rows)
    place = np.arange(1, len(flat) + 1) - np.repeat(starts, lengths)
    prefix = np.maximum.reduceat(np.where(flat, 0, place), starts)  # up to the last wrong token
    return StrengthItems(
        num_tokens=lengths, num_right=np.add.reduceat(flat.astype(np.int64), starts), suffix=lengths - prefix
    )


def token_matches(predictions: Sequence[Any], references: Sequence[Any]) -> list[NDArray[np.bool_]]:
    """Where the predicted token ids equal the answer's, item by item.

    Args:
        predictions: The model's first choices at each token's place, a list of ids an item.
        references: The answer's ids.

    Raises:
        ValueError: Lengths that differ, an item without tokens, or a value that is no token id; the row is named.

    Example:
        >>> token_matches([[5, 7, 9]], [[5, 8, 9]])
        [array([ True, False,  True])]
    """
    if len(predictions) != len(references):
        raise ValueError(
            f"{len(predictions)} predictions for {len(references)} references; expected one a row. Pass both in full."
        )
    matches = []
    for row, (predicted, reference) in enumerate(zip(predictions, references, strict=True)):
        chosen = _checked_row(predicted, row, "predictions", "iu")
        answer = _checked_row(reference, row, "references", "iu")
        if len(chosen) != len(answer):
            raise ValueError(
                f"Row {row}: {len(chosen)} predicted tokens for an answer of {len(answer)}; expected one at each "
                "answer token's place. Pass the choices with the true tokens given, not free generation."
            )
        matches.append(chosen == answer)
    return matches


def strength_summary(
    items: StrengthItems,
    *,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Means over items, with intervals clustered by persona.

    Args:
        persona_id: Persona of each item. Left out, every item is its own, which is too narrow an interval when one
            persona has several items.
        persona_seed: Seed of each item's population of personas; None if there is one population.

    Returns:
        extraction_strength, token_match and all_match, each from 0 to 1 (higher = better memorized, about 0 by
        chance) with _ci_low and _ci_high; n = number of items. Never NaN.

    Raises:
        ValueError: persona_id or persona_seed does not fit the items.

    Example:
        >>> strength_summary(strength_items([[True, False, True, True], [True, True]]))["extraction_strength"]
        0.75
    """
    num_items = len(items.num_tokens)
    clusters = Clusters.of(persona_id, num_items, persona_seed)
    summary: dict[str, float] = {}
    for name in ("extraction_strength", "token_match", "all_match"):
        values: FloatArray = getattr(items, name)
        summary[name] = float(values.mean())
        interval = mean_interval(values, clusters, confidence=confidence)
        summary[f"{name}_ci_low"], summary[f"{name}_ci_high"] = interval
    return summary | {"n": num_items}


def _checked_row(values: Any, row: int, name: str, kinds: str) -> NDArray[Any]:
    """One item's values as a flat array of a dtype among `kinds`: "b" for booleans, "iu" for token ids."""
    wanted = "booleans" if kinds == "b" else "token ids"
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths inside
        array = np.empty((0, 0))
    if array.ndim != 1 or (len(array) and array.dtype.kind not in kinds):
        raise ValueError(f"Row {row}: {name} {values!r:.80}; expected a flat list of {wanted}. Pass one a token.")
    if len(array) == 0:
        raise ValueError(f"Row {row}: {name} without tokens; expected at least one. Look for an empty answer.")
    if array.min() < 0:
        raise ValueError(f"Row {row}: {name} holds {array.min()}; expected ids of at least 0. Drop masked positions.")
    return array
