# SPDX-License-Identifier: Apache-2.0
"""Small random models of every family that is measured, with their real processors; and the oracle that each is held
to: one row, one answer, one full forward pass, without padding, batch, cache or anything shared."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.scoring.families_apart import mllama, paligemma, qwen_vl
from tests.scoring.families_seeing import gemma, idefics, llava
from tests.scoring.families_tiled import aya_vision, idefics2, internvl, llava_next, llava_onevision, pixtral, smolvlm
from tests.scoring.family import (
    CANDIDATES,
    CHATML,
    DESCRIPTIONS,
    GEMMA,
    INST,
    QUESTIONS,
    VICUNA,
    Family,
    Manner,
    gemma_text,
    jamba_text,
    llama_text,
    mistral_text,
    qwen_text,
    tokenizer,
)
from tests.scoring.tiny import image_row


def text_only(name: str, manner: Manner, config: Callable[[Any], Any]) -> Family:
    """A model without eyes and its tokenizer, whose template knows strings only."""
    words = tokenizer("<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>")
    words.chat_template = manner.template(parts=False)
    return Family(name=name, processor=words, manner=manner, config=config)


SEEING = ("llava_clip", "llava_siglip", "llava_window", "idefics3", "gemma3")
OTHERS = (
    *("llava_next", "llava_onevision", "idefics2", "smolvlm", "pixtral", "internvl", "aya_vision", "mllama"),
    *("paligemma", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
)
BLIND = ("llama", "qwen3", "mistral_window", "gemma3_text", "jamba")
FEW = {"llava_clip", "gemma3", "mistral_window", "jamba"}
"""One of each kind: plain attention, pictures seen in both directions, windows, recurrence."""


def few(names: Iterable[str]) -> list[Any]:
    """Parameters for what need not be seen of every family at once: all but a few are slow."""
    return [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in names]


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Every family by name; tests do not change them."""
    every = [
        llava("llava_clip", VICUNA, llama_text, clip=True),
        llava("llava_siglip", CHATML, qwen_text, clip=False),
        llava("llava_window", INST, mistral_text, clip=True),
        idefics(),
        gemma(),
        *(llava_next(), llava_onevision(), idefics2(), smolvlm(), pixtral(), internvl(), aya_vision()),
        *(mllama(), paligemma(), *map(qwen_vl, ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"))),
        text_only("llama", INST, llama_text),
        text_only("qwen3", CHATML, qwen_text),
        text_only("mistral_window", INST, mistral_text),
        text_only("gemma3_text", GEMMA, gemma_text),
        text_only("jamba", CHATML, jamba_text),
    ]
    return {family.name: family for family in every}


@lru_cache
def model_of(name: str, attention: str = "sdpa") -> Any:
    """A family's model; tests do not change it."""
    return families()[name].model(attention)


# rows


def queried(question: str, *images: Any, answer: str = "Ann") -> dict[str, Any]:
    """A row; its pictures are copies, as a dataset decodes them anew each time."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    said = {"prompt": turns[:1], "completion": turns[1:], "answer": answer}
    return said | {"images": [image.copy() for image in images]}


def rows(family: Family) -> list[dict[str, Any]]:
    """Eleven rows: three questions about each of two pictures, a wide picture, two pictures in one row, texts, and one
    question twice. A family without eyes is asked six times about texts. Prompts differ in length."""
    first, second, wide = (image_row(number)["images"][0] for number in (0, 5, 7))
    short, middle, long = QUESTIONS
    if family.tower:
        shown = [(short, first), DESCRIPTIONS[:1], (middle, first), (short, second), DESCRIPTIONS[1:], (long, first)]
        shown += [(short, wide.resize((90, 30))), (short, first, second), (middle, second), (middle, first)]
        shown += [(long, second)]
    else:
        shown = [(text,) for text in (*QUESTIONS, *DESCRIPTIONS, middle)]
    return [queried(*row, answer=CANDIDATES[number % len(CANDIDATES)]) for number, row in enumerate(shown)]


def few_rows(family: Family) -> list[dict[str, Any]]:
    """Six rows: two questions about a picture, a wide picture, two pictures in one row, and two texts, if the family
    can be asked without a picture."""
    given = rows(family)
    return [given[index] for index in (0, 1, 5, 6, 7, 4) if given[index]["images"] or family.text_rows]


# the oracle


def prompt_inputs(family: Family, row: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What the family's processor makes of one row's prompt."""
    content: Any = row["prompt"][0]["content"]
    if family.tower and isinstance(content, str):
        content = [*[{"type": "image"}] * len(row["images"]), {"type": "text", "text": content}]
    turns = [{"role": "user", "content": content}]
    text = family.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    given = {"images": [row["images"]]} if row["images"] else {}  # in a list of their own: they are one row's
    inputs = dict(family.processor(text=text, **given, return_tensors="pt", add_special_tokens=False))
    dropped = {"attention_mask", "labels"} if family.tower else {"attention_mask", "token_type_ids"}
    return {name: value for name, value in inputs.items() if name not in dropped}


def followed(family: Family, inputs: dict[str, torch.Tensor], tokens: list[int]) -> dict[str, torch.Tensor]:
    """The same inputs with an answer behind them, which is no picture and sees what the prompt's end sees."""
    answer = torch.tensor([tokens], dtype=torch.long)
    behind = {"input_ids": answer, "token_type_ids": torch.full_like(answer, family.answer_type)}
    behind["mm_token_type_ids"] = torch.zeros_like(answer)
    if "cross_attention_mask" in inputs:
        behind["cross_attention_mask"] = inputs["cross_attention_mask"][:, -1:].expand(-1, len(tokens), -1, -1)
    return {name: torch.cat([value, behind[name]], 1) if name in behind else value for name, value in inputs.items()}


def answer_tokens(family: Family, answer: str) -> list[int]:
    """The tokens of an answer as the family writes it, with what ends the turn."""
    ended = family.stops & set(family.tokenizer(family.manner.tail, add_special_tokens=False)["input_ids"])
    whole = f"{family.manner.lead}{answer}{family.manner.tail.rstrip()}{'' if ended else '<eos>'}"
    return family.tokenizer(whole, add_special_tokens=False)["input_ids"]


def logprobs(model: Any, family: Family, row: dict[str, Any], answer: str) -> tuple[np.ndarray, list[int]]:
    """(tokens, vocabulary) log-probabilities in float64 where the answer's tokens are predicted, and those tokens."""
    tokens = answer_tokens(family, answer)
    with torch.no_grad():
        logits = model(**followed(family, prompt_inputs(family, row), tokens), use_cache=False).logits
    return torch.log_softmax(logits[0, -len(tokens) - 1 : -1].double(), -1).numpy(), tokens


def nll(model: Any, family: Family, rows: list[dict[str, Any]], candidates: list[str]) -> np.ndarray:
    """(rows, candidates) summed negative log-likelihoods in nats."""
    reported = [[logprobs(model, family, row, candidate) for candidate in candidates] for row in rows]
    return np.array([[-sum(float(one[i, t]) for i, t in enumerate(ids)) for one, ids in line] for line in reported])


def greedy(model: Any, family: Family, row: dict[str, Any], steps: int) -> tuple[list[int], float]:
    """The likeliest tokens one after the other up to an end of turn, and the smallest lead in logits that one had."""
    inputs, made, lead = prompt_inputs(family, row), list[int](), float("inf")
    while len(made) < steps and not (made and made[-1] in model.generation_config.eos_token_id):
        with torch.no_grad():
            best = model(**followed(family, inputs, made), use_cache=False).logits[0, -1].double().topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        made.append(int(best.indices[0]))
    return made, lead


def pictures_seen(family: Family, model: Any, work: Callable[[], Any]) -> int:
    """How many pictures, or tiles of pictures, go through the tower during some work."""
    seen = []

    def count(module: Any, given: Any, named: Any) -> None:
        seen.append(len(given[0] if given else named["pixel_values"]))

    handle = model.get_submodule(family.tower).register_forward_pre_hook(count, with_kwargs=True)
    work()
    handle.remove()
    return sum(seen)


def pictures_in(family: Family, queried: list[dict[str, Any]]) -> int:
    """How many pictures, or tiles, the different sets of pictures in some rows hold."""
    pixels = [prompt_inputs(family, row)["pixel_values"] for row in queried]
    different = {one.numpy().tobytes(): one.flatten(0, one.dim() - 4) for one in pixels}
    return sum(map(len, different.values()))
