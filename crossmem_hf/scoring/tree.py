# SPDX-License-Identifier: Apache-2.0
"""Candidates as a prefix tree of tokens. It knows token ids, not models.

Candidates that start alike share their first nodes, so each distinct prefix is computed once. Leaves (the last token
of every candidate) are only predicted, never fed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class TokenTree:
    """A prefix tree, laid out flat.

    Attributes:
        fed: Token of each inner node, in an order in which parents come before children.
        parents: Index in `fed` of each inner node's parent; -1 for a child of the prompt.
        depths: Distance of each inner node from the prompt; 0 for its children.
        paths: For each candidate the (inner node whose state predicts it, token) of its tokens in order; node -1 is
            the last token of the prompt.
    """

    fed: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    paths: list[list[tuple[int, int]]] = field(default_factory=list)


def token_tree(candidates: Sequence[Sequence[int]]) -> TokenTree:
    """The tree of the given token lists.

    Example:
        >>> tree = token_tree([[5, 6, 2], [5, 7, 2]])
        >>> tree.fed, tree.parents, tree.paths[1]
        ([5, 6, 7], [-1, 0, 0], [(-1, 5), (0, 7), (2, 2)])
    """
    tree, children = TokenTree(), dict[tuple[int, int], int]()
    for tokens in candidates:
        node, path = -1, []
        for place, token in enumerate(tokens):
            path.append((node, token))
            if place == len(tokens) - 1:
                break
            if (node, token) not in children:
                children[node, token] = len(tree.fed)
                tree.fed.append(token)
                tree.parents.append(node)
                tree.depths.append(place)
            node = children[node, token]
        tree.paths.append(path)
    return tree


def ancestry(tree: TokenTree) -> NDArray[np.bool_]:
    """(S, S) whether the node of the row sees the node of the column: its ancestors and itself.

    Example:
        >>> ancestry(token_tree([[5, 6, 2], [5, 7, 2]])).astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    """
    sees = np.eye(len(tree.fed), dtype=np.bool_)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            sees[node] |= sees[parent]
    return sees


def chunks(candidates: Sequence[Sequence[int]], budget: int) -> list[range]:
    """Consecutive runs of candidates with at most `budget` tokens each, and at least one candidate."""
    runs, start, used = [], 0, 0
    for index, tokens in enumerate(candidates):
        if used and used + len(tokens) > budget:
            runs.append(range(start, index))
            start, used = index, 0
        used += len(tokens)
    return [*runs, range(start, len(candidates))]
