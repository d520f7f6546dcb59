# SPDX-License-Identifier: Apache-2.0
"""How far an answer is the truth letter by letter. It does not know names, groups or directions."""

import numpy as np


def matching_length(truth: str, answer: str) -> int:
    """Number of first characters that both share, up to the first that differs.

    Example:
        >>> matching_length("Ada Moss", "Ada Mill"), matching_length("Ada", "Ada Moss"), matching_length("Ada", "")
        (5, 3, 0)
    """
    shared = zip(truth, answer, strict=False)
    return next((place for place, (one, other) in enumerate(shared) if one != other), min(len(truth), len(answer)))


def edit_distance(truth: str, answer: str) -> float:
    """Levenshtein's distance over the longer length: characters to insert, delete or replace, as a share.

    Returns:
        0 (the same) to 1 (no character in its place); 0 where both are empty.

    Example:
        >>> edit_distance("kitten", "sitting"), edit_distance("Ada", "Ada"), edit_distance("Ada", "")
        (0.42857142857142855, 0.0, 1.0)
    """
    if not truth or not answer:
        return float(bool(truth or answer))
    rows, columns = (np.array([ord(letter) for letter in text]) for text in (truth, answer))
    places = np.arange(len(columns) + 1)
    distances = places
    for number, letter in enumerate(rows, start=1):
        replaced = np.minimum(distances[:-1] + (columns != letter), distances[1:] + 1)
        distances = np.minimum.accumulate(np.concatenate([[number], replaced]) - places) + places
    return float(distances[-1] / max(len(truth), len(answer)))
