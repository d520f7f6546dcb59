# SPDX-License-Identifier: Apache-2.0
"""How likely a model finds each candidate answer. It does not know what the scores mean.

The prompt, picture included, is encoded once; all candidates then pass through the model together, packed as a
prefix tree behind the prompt's key-value cache. Where a model's attention cannot do that, whole sequences are scored
in batches, with the same result.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import evaluating
from crossmem_hf.scoring.inputs import Row, answer_text, batches, check_rows
from crossmem_hf.scoring.tree import TokenTree, ancestry, chunks, token_tree

logger = logging.getLogger(__name__)
_PACKED_ATTENTION = ("sdpa", "eager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What each candidate costs each row.

    Attributes:
        nll_nats: (rows, candidates) summed negative log-likelihood of the candidate and its end of turn; lower is
            likelier.
        num_tokens: (candidates,) how many tokens that sum is over.
    """

    nll_nats: NDArray[np.float64]
    num_tokens: NDArray[np.int64]

    @property
    def nll_per_token(self) -> NDArray[np.float64]:
        """(rows, candidates) mean over tokens: the logarithm of the perplexity that ReMem ranks by."""
        return self.nll_nats / self.num_tokens


def score_candidates(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    candidates: Sequence[str],
    *,
    batch_size: int = 32,
    tokens_per_pass: int = 2048,
) -> Scores:
    """Negative log-likelihood of every candidate as the answer to every row.

    Equals a plain forward pass over prompt and candidate to numerical precision, whatever the order of rows or
    candidates and the batch size.

    Args:
        rows: Conversational rows with `prompt` and `images` (empty for text).
        candidates: Full answers, all different, shared by all rows.
        batch_size: Prompts encoded together.
        tokens_per_pass: Most candidate tokens packed into one pass; bounds the memory of the logits,
            ``batch_size * tokens_per_pass * vocabulary`` numbers of the model's dtype.

    Raises:
        CrossmemError: No rows or candidates, a candidate that occurs twice or is blank, missing columns, pictures
            for a model without an image tower.

    Example:
        >>> from crossmem_hf import load_model_and_processor, load_rows
        >>> model, processor = load_model_and_processor()
        >>> rows = load_rows(None, "recall_text", "test", num_personas=2)
        >>> score_candidates(model, processor, rows, [row["answer"] for row in rows][::4]).nll_nats.shape
        (8, 2)
    """
    rows = list(rows)
    check_rows(rows, model)
    tokens = _candidate_tokens(processor, rows[0], candidates)
    trees = [token_tree([tokens[index] for index in run]) for run in chunks(tokens, tokens_per_pass)]
    packed = _can_pack(model)
    result = np.zeros((len(rows), len(tokens)))
    with evaluating(model):
        for part, inputs in batches(processor, rows, batch_size):
            inputs = {name: value.to(model.device) for name, value in inputs.items()}
            result[part] = _packed(model, inputs, trees) if packed else _plain(model, inputs, tokens)
    return Scores(nll_nats=result, num_tokens=np.array([len(ids) for ids in tokens]))


def _candidate_tokens(processor: Any, row: Row, candidates: Sequence[str]) -> list[list[int]]:
    if isinstance(candidates, str):
        raise CrossmemError(f"The candidates are one string, {candidates!r}; expected a list.", "Put it in a list.")
    blank = [index for index, text in enumerate(candidates) if not text.strip()]
    if not candidates or blank:
        raise CrossmemError(
            f"Candidate {blank[0]} is blank." if blank else "There are no candidates; expected at least one.",
            "Give each candidate as a full answer.",
        )
    if len(set(candidates)) != len(candidates):
        twice = next(text for index, text in enumerate(candidates) if text in candidates[:index])
        raise CrossmemError(f"Candidate {twice!r} occurs twice; expected each once.", "Drop the duplicates.")
    tokenizer = getattr(processor, "tokenizer", processor)
    texts = [answer_text(processor, row, text) for text in candidates]
    return [list(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]


def _can_pack(model: Any) -> bool:
    """Whether one additive mask over one growing cache describes the model's attention; said once if not."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    text = model.config.get_text_config()
    layers = DynamicCache(config=text).layers  # sliding windows and recurrent states have layers of their own
    can = text._attn_implementation in _PACKED_ATTENTION and {type(layer) for layer in layers} == {DynamicLayer}
    if not can:
        _say_plain(type(model).__name__)
    return can


@lru_cache
def _say_plain(name: str) -> None:
    logger.warning("%s cannot share a cache between candidates; scoring whole sequences.", name)


def _own_positions(model: Any, inputs: dict[str, Any]) -> Any:
    """The module that gives pictures fewer positions than tokens (multimodal RoPE), where this batch needs it."""
    if "pixel_values" not in inputs:
        return None
    return next((module for module in model.modules() if hasattr(module, "get_rope_index")), None)


def _positions(attention_mask: Any) -> Any:
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


def _packed(model: Any, inputs: dict[str, Any], trees: Sequence[TokenTree]) -> NDArray[np.float64]:
    """(B, K) scores with one pass over the prompts and one over each tree."""
    import torch

    mask, own = inputs["attention_mask"], _own_positions(model, inputs)
    positions = {} if own is not None else {"position_ids": _positions(mask)}
    prefill = model(**inputs, **positions, use_cache=True, logits_to_keep=1)
    first = torch.log_softmax(prefill.logits[:, -1].double(), -1)
    start = mask.sum(-1, keepdim=True) + (own.rope_deltas.to(mask.device) if own is not None else 0)
    parts, cache, width = [], prefill.past_key_values, mask.shape[1]
    for tree in trees:
        logits = prefill.logits[:, :0]
        if tree.fed:
            logits = model(
                input_ids=torch.tensor(tree.fed, device=mask.device).expand(len(mask), -1),
                attention_mask=_tree_mask(tree, mask, prefill.logits.dtype),
                position_ids=start + torch.tensor(tree.depths, device=mask.device),
                past_key_values=cache,
                use_cache=True,
            ).logits
            cache.crop(-len(tree.fed))
            assert cache.get_seq_length() == width, "cropping what was just added leaves the prompt"
        parts.append(_path_nll(first, logits, tree))
    return np.concatenate(parts, axis=1)


def _tree_mask(tree: TokenTree, prompt_mask: Any, dtype: Any) -> Any:
    """(B, 1, S, L + S) additive mask: a node sees the real prompt tokens, its ancestors and itself."""
    import torch

    rows, size = len(prompt_mask), len(tree.fed)
    sees = torch.from_numpy(ancestry(tree)).to(prompt_mask.device)[None, None].expand(rows, 1, size, size)
    prompt = prompt_mask.bool()[:, None, None, :].expand(rows, 1, size, -1)
    visible = torch.cat([prompt, sees], dim=-1)
    # Additive floats, because eager attention misreads a boolean mask.
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, torch.finfo(dtype).min)


def _path_nll(first: Any, logits: Any, tree: TokenTree) -> NDArray[np.float64]:
    """(B, K) sums along the candidates' paths; `first` are log-probabilities after the prompt, `logits` per node."""
    import torch

    steps = [(node, token) for path in tree.paths for node, token in path]
    nodes = torch.tensor([node for node, _ in steps], device=logits.device)
    chosen = torch.tensor([token for _, token in steps], device=logits.device)
    inner, outer = nodes >= 0, nodes < 0
    values = first.new_zeros((len(first), len(steps)))
    values[:, outer] = first[:, chosen[outer]]
    if logits.shape[1]:
        norms = torch.stack([torch.logsumexp(row.double(), -1) for row in logits])  # by row, to spare memory
        values[:, inner] = logits[:, nodes[inner], chosen[inner]].double() - norms[:, nodes[inner]]
    owners = torch.tensor([index for index, path in enumerate(tree.paths) for _ in path], device=logits.device)
    total = first.new_zeros((len(first), len(tree.paths))).index_add_(1, owners, values)
    scores: NDArray[np.float64] = -total.cpu().numpy()
    return scores


def _plain(model: Any, inputs: dict[str, Any], tokens: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """(B, K) scores with one full forward a candidate, all prompts at once."""
    return np.stack([_plain_column(model, inputs, ids) for ids in tokens], axis=1)


def _plain_column(model: Any, inputs: dict[str, Any], ids: Sequence[int]) -> NDArray[np.float64]:
    import torch

    answer = torch.tensor(ids, device=inputs["input_ids"].device).expand(len(inputs["input_ids"]), -1)
    whole = inputs | dict(_extended(inputs, answer))
    if _own_positions(model, inputs) is None:
        whole["position_ids"] = _positions(whole["attention_mask"])
    logits = model(**whole, use_cache=False, logits_to_keep=len(ids) + 1).logits
    logprobs = torch.log_softmax(logits[:, :-1].double(), -1).gather(-1, answer[..., None])
    column: NDArray[np.float64] = -logprobs[..., 0].sum(-1).cpu().numpy()
    return column


_PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


def _extended(inputs: dict[str, Any], answer: Any) -> Iterator[tuple[str, Any]]:
    """Each per-token input with the answer's part behind it: its ids, ones for the mask, zeros for token types."""
    import torch

    fill = {"input_ids": answer, "attention_mask": torch.ones_like(answer)}
    for name in _PER_TOKEN:
        if name in inputs:
            tail = fill.get(name, torch.zeros_like(answer))
            yield name, torch.cat([inputs[name], tail.to(inputs[name].dtype)], dim=1)
