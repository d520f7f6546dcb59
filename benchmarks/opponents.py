# SPDX-License-Identifier: Apache-2.0
"""What the engine is measured against: plain forward passes, and a packed one. It knows no engine.

Strong opponents: logits are built for answers only, as few programs do, and equal lengths need no padding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from arena import Row
from contest import chunks
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Floats = NDArray[np.float64]
LOWEST = 0.2  # share of tokens that Min-K% reads


@torch.inference_mode()
def answer_logits(
    model: Any, sequences: Sequence[list[int]], lengths: Sequence[int], pixels: Tensor | None
) -> list[Tensor]:
    """For each sequence the (n, V) logits that predict its last n tokens, from one left-padded pass.

    Args:
        pixels: A picture a sequence; None where there is none.
    """
    seen = {} if pixels is None else {"pixel_values": pixels.to(model.device)}
    width = max(map(len, sequences))
    pad = model.config.text_config.pad_token_id
    ids = torch.tensor([[pad] * (width - len(ids)) + ids for ids in sequences], device=model.device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in sequences], device=model.device)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        **seen,
        use_cache=False,
        logits_to_keep=max(lengths) + 1,
    ).logits
    return [scores[-length - 1 : -1].float() for scores, length in zip(logits, lengths, strict=True)]


def spoken(processor: Any, row: Row, answer: str | None = None) -> str:
    """The conversation as the chat template writes it, up to the answer or with one."""
    question = {"type": "text", "text": row["prompt"][0]["content"]}
    turns = [{"role": "user", "content": [*({"type": "image"} for _ in row["images"]), question]}]
    turns += [] if answer is None else [{"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    text: str = processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=answer is None)
    return text


def prepared(processor: Any, row: Row, answer: str | None = None) -> dict[str, Any]:
    """The tensors of one row, its picture, if it has one, resized and normalized."""
    return dict(processor(text=spoken(processor, row, answer), images=row["images"] or None, return_tensors="pt"))


def answer_ids(processor: Any, row: Row, answer: str) -> list[int]:
    """The tokens of an answer and its end."""
    text = spoken(processor, row, answer).removeprefix(spoken(processor, row))
    ids: list[int] = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def sizes_of(processor: Any, rows: Sequence[Row], answers: Sequence[str]) -> str:
    """The tokens of prompts and answers, on average, in words."""
    prompt = np.mean([prepared(processor, row)["input_ids"].shape[1] for row in rows])
    answer = np.mean([len(answer_ids(processor, rows[0], answer)) for answer in answers])
    return f"{prompt:.0f} prompt tokens, {answer:.1f} a candidate"


def nll(logits: Tensor, ids: Sequence[int]) -> float:
    return F.cross_entropy(logits, torch.tensor(ids, device=logits.device), reduction="sum").item()


def one_by_one(model: Any, processor: Any, row: Row, candidates: Sequence[str]) -> Floats:
    """(candidates,) in nats; each is prepared and run alone, with the picture: what other harnesses do."""
    scores = []
    for candidate in candidates:
        inputs, ids = prepared(processor, row, candidate), answer_ids(processor, row, candidate)
        (logits,) = answer_logits(model, inputs["input_ids"].tolist(), [len(ids)], inputs["pixel_values"])
        scores.append(nll(logits, ids))
    return np.array(scores)


def batched(model: Any, processor: Any, row: Row, candidates: Sequence[str], size: int) -> Floats:
    """(candidates,) in nats; the prompt is prepared once, and run once a candidate, with the picture, in batches."""
    inputs, scores = prepared(processor, row), []
    prompt, pixels = inputs["input_ids"][0].tolist(), inputs.get("pixel_values")
    for part in chunks([answer_ids(processor, row, candidate) for candidate in candidates], size):
        given = None if pixels is None else pixels.expand(len(part), -1, -1, -1)
        found = answer_logits(model, [prompt + ids for ids in part], [len(ids) for ids in part], given)
        scores += [nll(logits, ids) for logits, ids in zip(found, part, strict=True)]
    return np.array(scores)


@torch.inference_mode()
def floor(model: Any, inputs: dict[str, Tensor], answers: Sequence[list[int]]) -> Floats:
    """Packed, without prefix sharing: the prompt once, and each candidate's tokens once, in one row behind it.

    The engine also computes once what candidates share at their start, so it may be faster.
    """
    prompt = model(**inputs, use_cache=True, logits_to_keep=1)
    width, sizes = inputs["input_ids"].shape[1], torch.tensor([len(ids) - 1 for ids in answers])
    owner = torch.arange(len(answers)).repeat_interleave(sizes)
    depth = torch.cat([torch.arange(size) for size in sizes])
    sees = (owner[:, None] == owner) & (depth[:, None] >= depth)
    sees = torch.cat([torch.ones(len(owner), width, dtype=torch.bool), sees], dim=1)
    mask = torch.zeros(sees.shape, dtype=model.dtype).masked_fill(~sees, torch.finfo(model.dtype).min)
    logits = model(
        input_ids=torch.tensor([[token for ids in answers for token in ids[:-1]]], device=model.device),
        attention_mask=mask[None, None].to(model.device),
        position_ids=(width + depth)[None].to(model.device),
        cache=prompt.cache,
        use_cache=True,
    ).logits[0]
    first = prompt.logits[0, -1].float().log_softmax(-1)[[ids[0] for ids in answers]]
    later = torch.tensor([token for ids in answers for token in ids[1:]], device=model.device)
    rest = logits.float().log_softmax(-1).gather(-1, later[:, None])[:, 0]
    return -first.index_add(0, owner.to(rest.device), rest).double().cpu().numpy()


def minimum_k(values: Tensor) -> float:
    return values.sort().values[: max(1, int(LOWEST * len(values)))].mean().item()


def min_k_plus_plus(logits: Tensor, ids: Tensor) -> float:
    """Log-probabilities, standardized by their mean and deviation over the vocabulary (arXiv 2404.02936)."""
    logprobs = logits.log_softmax(-1)
    mean = (logprobs.exp() * logprobs).sum(-1)
    variance = (logprobs.exp() * (logprobs - mean[:, None]).square()).sum(-1)
    return minimum_k((logprobs.gather(-1, ids[:, None])[:, 0] - mean) / variance.sqrt())


def max_renyi(logits: Tensor, ids: Tensor) -> float:
    """The highest entropies (arXiv 2411.02902, order 1)."""
    logprobs = logits.log_softmax(-1)
    return -minimum_k((logprobs.exp() * logprobs).sum(-1))


Metric = Callable[[Tensor, Tensor], float]
METRICS: dict[str, Metric] = {  # of an answer's logits and tokens; the first two in nats
    "answer probability": lambda logits, ids: logits.softmax(-1).gather(-1, ids[:, None]).log().mean().item(),
    "perplexity": lambda logits, ids: F.cross_entropy(logits, ids).item(),
    "Min-K%": lambda logits, ids: minimum_k(logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0]),
    "Min-K%++": min_k_plus_plus,
    "extraction strength": lambda logits, ids: (logits.argmax(-1) == ids).flip(0).cumprod(0).float().mean().item(),
}


def a_pass_a_metric(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    size: int,
    metrics: Mapping[str, Metric] = METRICS,
) -> Floats:
    """(rows, metrics); all rows are prepared and run once a metric, in batches: what other harnesses do."""
    columns = []
    for metric in metrics.values():
        column = []
        for part in chunks(rows, size):
            inputs = [prepared(processor, row, row["answer"]) for row in part]
            answers = [answer_ids(processor, row, row["answer"]) for row in part]
            pixels = torch.cat([each["pixel_values"] for each in inputs])
            sequences = [each["input_ids"][0].tolist() for each in inputs]
            found = answer_logits(model, sequences, [len(ids) for ids in answers], pixels)
            column += [metric(a, torch.tensor(ids, device=a.device)) for a, ids in zip(found, answers, strict=True)]
        columns.append(column)
    return np.array(columns).T
