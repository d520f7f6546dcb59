# SPDX-License-Identifier: Apache-2.0
"""Token sequences as prefix trees. It knows token ids, not models.

Sequences that start alike share their first nodes, so each distinct prefix is computed once. Leaves (the last token of
every sequence) are only predicted, never fed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass
class TokenTree:
    """A prefix tree, laid out flat, and the steps along it that are scored.

    Attributes:
        first: Number of its first sequence among all that were given.
        fed: Token of each inner node, in an order in which parents come before children.
        parents: Index in `fed` of each inner node's parent; -1 for a child of the prompt.
        depths: Distance of each inner node from the prompt; 0 for its children.
        nodes: For each scored step the inner node whose state predicts its token; -1 is the prompt's last token.
        tokens: The token predicted there.
        owners: The sequence that the step belongs to, counted from `first`.
    """

    first: int = 0
    fed: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)
    _size: int = field(default=0, repr=False)

    def __len__(self) -> int:
        """How many sequences it holds."""
        return self._size

    def added_nodes(self, sequence: Sequence[int]) -> int:
        """How many inner nodes a sequence would add."""
        node = -1
        for place, token in enumerate(sequence[:-1]):
            if (node, token) not in self._children:
                return len(sequence) - 1 - place
            node = self._children[node, token]
        return 0

    def add(self, sequence: Sequence[int], head: int) -> None:
        """Put a sequence in; its first `head` tokens are fed and not scored."""
        node = -1
        for place, token in enumerate(sequence):
            if place >= head:
                self.nodes.append(node)
                self.tokens.append(token)
                self.owners.append(self._size)
            if place == len(sequence) - 1:
                break
            if (node, token) not in self._children:
                self._children[node, token] = len(self.fed)
                self.fed.append(token)
                self.parents.append(node)
                self.depths.append(place)
            node = self._children[node, token]
        self._size += 1

    @cached_property
    def ancestry(self) -> NDArray[np.bool_]:
        """(S, S) whether the node of the row sees the node of the column: its ancestors and itself."""
        sees = np.eye(len(self.fed), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                sees[node] |= sees[parent]
        return sees


def token_trees(sequences: Sequence[Sequence[int]], heads: Sequence[int], room: int) -> list[TokenTree]:
    """Trees of consecutive sequences with at most `room` inner nodes each, and at least one sequence.

    Args:
        sequences: Token ids, none empty.
        heads: How many first tokens of each sequence are fed and not scored.

    Example:
        >>> (tree,) = token_trees([[5, 6, 2], [5, 7, 2]], [0, 0], room=9)
        >>> tree.fed, tree.parents, tree.nodes
        ([5, 6, 7], [-1, 0, 0], [-1, 0, 1, -1, 0, 2])
        >>> tree.ancestry.astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    """
    trees = [TokenTree()]
    for number, (sequence, head) in enumerate(zip(sequences, heads, strict=True)):
        if len(trees[-1]) and len(trees[-1].fed) + trees[-1].added_nodes(sequence) > room:
            trees.append(TokenTree(first=number))
        trees[-1].add(sequence, head)
    return trees
