# SPDX-License-Identifier: Apache-2.0
"""Continuations behind a cached start, packed as prefix trees into one row. It does not know what they are."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossmem_hf.models.families import has_cross_attention
from crossmem_hf.scoring.prefill import Group, Prefilled
from crossmem_hf.scoring.tree import TokenTree, token_trees

PACKED_ATTENTION = ("sdpa", "eager")
ROOM_IN_A_ROW = 512  # nodes; each also looks at its neighbors in vain, so rows are not to grow without bound

Measure = Callable[[Any, Any, Any], Any]
"""(S, V) logits, (n,) nodes and (n,) tokens -> (n, d) numbers about each token at its node."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a pass found out about some continuations of one row.

    Attributes:
        row: The row's number.
        first: Number of the first continuation.
        owners: (n,) which continuation each value belongs to, counted from `first`.
        values: (n, d) the measure of each scored token, in order, float64 on the CPU.
    """

    row: int
    first: int
    owners: Any
    values: Any


def can_pack(model: Any) -> bool:
    """Whether additive masks over a growing cache describe the model's attention: full or through a window, and not
    across to pictures."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    text = model.config.get_text_config()
    kinds = {type(layer) for layer in DynamicCache(config=text).layers}  # recurrent states have layers of their own
    known = kinds <= {DynamicLayer, DynamicSlidingWindowLayer} and not has_cross_attention(model.config)
    return known and text._attn_implementation in PACKED_ATTENTION


class Forest:
    """The trees of groups of rows; rows that share continuations share them too.

    Args:
        continuations: Token ids behind each row's prompt; the same object for rows that share them.
    """

    def __init__(self, continuations: Sequence[Sequence[Sequence[int]]]) -> None:
        self.continuations = continuations
        self._shared_by = Counter(map(id, continuations))
        self._known: dict[tuple[int, int], list[TokenTree]] = {}

    def of(self, group: Group, room: int) -> list[TokenTree]:
        """The rows' tails, and behind each tail the row's continuations, in trees of at most `room` inner nodes."""
        own = id(self.continuations[group.rows[0]])
        if group.tails != ((),) or self._shared_by[own] == 1:
            return self._grown(group, room)
        key = own, room
        if key not in self._known:
            self._known[key] = self._grown(group, room)
        return self._known[key]

    def _grown(self, group: Group, room: int) -> list[TokenTree]:
        members = zip(group.rows, group.tails, strict=True)
        paths = [(len(tail), [*tail, *tokens]) for row, tail in members for tokens in self.continuations[row]]
        return token_trees([path for _, path in paths], [head for head, _ in paths], room)


def packed_pass(model: Any, start: Prefilled, trees: Sequence[TokenTree], measure: Measure) -> list[Any]:
    """For each row of the batch the values of its tree's scored steps, from one forward pass over all trees."""
    import torch

    rows, device = len(trees), start.mask_BL.device
    size = max(len(tree.fed) for tree in trees)
    logits: Any = start.last_BV[:, :0, None]
    if size:
        width = start.cache.get_seq_length()
        fed, depths = np.zeros((2, rows, size), dtype=np.int64)
        for place, tree in enumerate(trees):
            fed[place, : len(tree.fed)] = tree.fed
            depths[place, : len(tree.fed)] = tree.depths
        depth = torch.from_numpy(depths).to(device)
        logits = model(
            input_ids=torch.from_numpy(fed).to(device),
            attention_mask=_masks(model, start, trees, depth),
            position_ids=start.next_B1 + depth,
            cache=start.cache,
            use_cache=True,
        ).logits
        start.cache.crop(-size)
        assert start.cache.get_seq_length() == width, "cropping what was just added leaves the start"
    return [_measured(start.last_BV[place], logits[place], tree, measure) for place, tree in enumerate(trees)]


def _measured(last_V: Any, logits_SV: Any, tree: TokenTree, measure: Measure) -> Any:
    """(n, d) values of the scored steps; those right behind the start read `last_V`."""
    import torch

    nodes = torch.tensor(tree.nodes, dtype=torch.long, device=last_V.device)
    tokens = torch.tensor(tree.tokens, dtype=torch.long, device=last_V.device)
    first = nodes < 0
    values = measure(last_V[None], nodes[first] + 1, tokens[first])
    if not first.all():
        both = values.new_zeros((len(nodes), values.shape[1]))
        both[first] = values
        both[~first] = measure(logits_SV, nodes[~first], tokens[~first])
        values = both
    return values.double().cpu().numpy()


def _masks(model: Any, start: Prefilled, trees: Sequence[TokenTree], depth_BS: Any) -> Any:
    """Additive masks: a node sees the real tokens of the start, its ancestors and itself, as far as its layer looks.

    One (B, 1, S, L + S) mask, or one a kind of layer where some look through a window that ends before the start does.
    """
    import torch

    size, device = depth_BS.shape[1], depth_BS.device
    if all(tree is trees[0] for tree in trees):
        sees = torch.from_numpy(trees[0].ancestry)[None]
    else:
        sees = torch.eye(size, dtype=torch.bool).repeat(len(trees), 1, 1)
        for place, tree in enumerate(trees):
            sees[place, : len(tree.fed), : len(tree.fed)] = torch.from_numpy(tree.ancestry)
    prompt = start.mask_BL.bool()[:, None, :].expand(-1, size, -1)
    visible = torch.cat([prompt, sees.to(device).expand(len(trees), size, size)], dim=-1)
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    window = getattr(text, "sliding_window", None)
    ahead = start.mask_BL.sum(-1, keepdim=True)
    if window is None or kinds == {"full_attention"} or int((ahead + depth_BS).max()) < window:
        return _additive(visible, start.last_BV.dtype)
    before = (start.mask_BL.cumsum(-1) - 1)[:, None, :].expand(-1, size, -1)
    keys = torch.cat([before, (ahead + depth_BS)[:, None, :].expand(-1, size, -1)], dim=-1)
    near = visible & ((ahead + depth_BS)[:, :, None] - keys < window)
    if kinds <= {"sliding_attention"}:
        return _additive(near, start.last_BV.dtype)
    return {
        "full_attention": _additive(visible, start.last_BV.dtype),
        "sliding_attention": _additive(near, start.last_BV.dtype),
    }


def _additive(visible_BSK: Any, dtype: Any) -> Any:
    import torch

    # Floats, because eager attention misreads a boolean mask.
    blank = torch.zeros(visible_BSK.shape, dtype=dtype, device=visible_BSK.device)
    return blank.masked_fill_(~visible_BSK, torch.finfo(dtype).min)[:, None]


def packed(
    model: Any, start: Prefilled, groups: Sequence[Group], forest: Forest, room: int, measure: Measure
) -> Iterator[Scored]:
    """Every continuation of every row of a batch, with at most `room` tokens behind each start at a time."""
    passes = [forest.of(group, min(room, ROOM_IN_A_ROW)) for group in groups]
    counts = [[len(forest.continuations[row]) for row in group.rows] for group in groups]
    for number in range(max(len(trees) for trees in passes)):
        trees = [part[number] if number < len(part) else TokenTree() for part in passes]
        found = packed_pass(model, start, trees, measure)
        for group, tree, values, sizes in zip(groups, trees, found, counts, strict=True):
            yield from _by_row(group, tree, values, sizes)


def _by_row(group: Group, tree: TokenTree, values: Any, counts: Sequence[int]) -> Iterator[Scored]:
    """A tree's values, row by row: its sequences run through the rows of the group in order."""
    owners, begin = np.array(tree.owners, dtype=np.int64), 0
    for row, count in zip(group.rows, counts, strict=True):
        low, high = max(begin, tree.first), min(begin + count, tree.first + len(tree))
        if low < high:
            chosen = slice(*np.searchsorted(owners, [low - tree.first, high - tree.first]))
            yield Scored(row, low - begin, owners[chosen] - (low - tree.first), values[chosen])
        begin += count
