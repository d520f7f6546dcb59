# SPDX-License-Identifier: Apache-2.0
"""How likely a model finds each candidate answer. It does not know what the scores mean.

The prompt, picture included, is encoded once; all candidates then pass through the model together, packed as a
prefix tree behind the prompt's key-value cache. Where a model's attention cannot do that, whole sequences are scored
in batches, with the same result.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.inputs import Row, answer_text, batches, check_rows
from crossmem_hf.scoring.tree import TokenTree, chunks, token_tree

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
            `batch_size * tokens_per_pass * vocabulary * 4` bytes.

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
    import torch

    rows = list(rows)
    check_rows(rows, model)
    tokens = _candidate_tokens(processor, rows[0], candidates)
    result = np.zeros((len(rows), len(tokens)))
    packed = _can_pack(model)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for part, inputs in batches(processor, rows, batch_size):
            inputs = {name: value.to(model.device) for name, value in inputs.items()}
            score = _packed if packed else _plain
            result[part] = score(model, inputs, tokens, tokens_per_pass)
    model.train(was_training)
    return Scores(nll_nats=result, num_tokens=np.array([len(ids) for ids in tokens]))


def _candidate_tokens(processor: Any, row: Row, candidates: Sequence[str]) -> list[list[int]]:
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
    """Whether one additive mask over the whole cache describes the model's attention; said once if not."""
    text = model.config.get_text_config()
    windowed = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    can = not windowed and text._attn_implementation in _PACKED_ATTENTION and not getattr(text, "layer_types", None)
    if not can:
        logger.warning("%s cannot share a cache between candidates; scoring whole sequences.", type(model).__name__)
    return can


def _positions(attention_mask: Any) -> Any:
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


def _packed(model: Any, inputs: dict[str, Any], tokens: Sequence[Sequence[int]], budget: int) -> NDArray[np.float64]:
    """(B, K) scores with one pass over the prompts and one over each chunk's tree."""
    import torch

    mask = inputs["attention_mask"]
    prefill = model(**inputs, position_ids=_positions(mask), use_cache=True, logits_to_keep=1)
    first = torch.log_softmax(prefill.logits[:, -1].double(), -1)
    parts, cache, width = [], prefill.past_key_values, mask.shape[1]
    for run in chunks(tokens, budget):
        tree = token_tree([tokens[index] for index in run])
        if tree.fed:
            fed = torch.tensor(tree.fed, device=mask.device).expand(len(mask), -1)
            depths = torch.tensor(tree.depths, device=mask.device)
            logits = model(
                input_ids=fed,
                attention_mask=_tree_mask(tree, mask, prefill.logits.dtype),
                position_ids=mask.sum(-1, keepdim=True) + depths,
                past_key_values=cache,
                use_cache=True,
            ).logits
            cache.crop(-len(tree.fed))
            assert cache.get_seq_length() == width, "crop takes the tree off again"
        else:
            logits = prefill.logits[:, :0]
        parts.append(_path_nll(first, logits, tree))
    return np.concatenate(parts, axis=1)


def _tree_mask(tree: TokenTree, prompt_mask: Any, dtype: Any) -> Any:
    """(B, 1, S, L + S) additive mask: a node sees the real prompt tokens, its ancestors and itself."""
    import torch

    size = len(tree.fed)
    sees = torch.eye(size, dtype=torch.bool)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            sees[node] |= sees[parent]
    rows = len(prompt_mask)
    prompt = prompt_mask.bool()[:, None, None, :].expand(rows, 1, size, -1)
    visible = torch.cat([prompt, sees.to(prompt.device)[None, None].expand(rows, 1, size, size)], dim=-1)
    return torch.zeros(visible.shape, dtype=dtype, device=prompt.device).masked_fill(~visible, torch.finfo(dtype).min)


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
        norms = torch.logsumexp(logits.double(), -1)
        values[:, inner] = logits[:, nodes[inner], chosen[inner]].double() - norms[:, nodes[inner]]
    owners = torch.tensor([index for index, path in enumerate(tree.paths) for _ in path], device=logits.device)
    total = first.new_zeros((len(first), len(tree.paths))).index_add_(1, owners, values)
    scores: NDArray[np.float64] = -total.cpu().numpy()
    return scores


def _plain(model: Any, inputs: dict[str, Any], tokens: Sequence[Sequence[int]], budget: int) -> NDArray[np.float64]:
    """(B, K) scores with one full forward a candidate, all prompts at once."""
    columns = [_plain_column(model, inputs, ids) for ids in tokens]
    return np.stack(columns, axis=1)


def _plain_column(model: Any, inputs: dict[str, Any], ids: Sequence[int]) -> NDArray[np.float64]:
    import torch

    rows = len(inputs["input_ids"])
    answer = torch.tensor(ids, device=inputs["input_ids"].device).expand(rows, -1)
    whole = {name: value for name, value in inputs.items() if name not in _PER_TOKEN}
    for name, value in _extended(inputs, answer):
        whole[name] = value
    logits = model(**whole, position_ids=_positions(whole["attention_mask"]), logits_to_keep=len(ids) + 1).logits
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
