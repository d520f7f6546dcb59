# SPDX-License-Identifier: Apache-2.0
"""What a model answers when asked. It does not know which answer is right."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf
from typing import Any, Final

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import tokenizer_of
from crossmem_hf.models.families import reads_ahead
from crossmem_hf.models.padding import padding_id
from crossmem_hf.models.turns import Turn, answer_tokens, said, turn_of
from crossmem_hf.pictures.keys import pictures_key
from crossmem_hf.scoring.batches import Auto, Room, check_size, in_batches
from crossmem_hf.scoring.continuations import shares_cache
from crossmem_hf.scoring.inputs import check_rows
from crossmem_hf.scoring.prefill import (
    Prefilled,
    PromptBatch,
    extended,
    positions_of_its_own,
    prefilled,
)
from crossmem_hf.scoring.vllm_backend import described, is_vllm, tokens_from_vllm
from crossmem_hf.seeding import seed_for

DRAW: Final = "draw"
"""Column that tells rows apart which are asked alike, so that a sample of each is drawn."""
UNKNOWN_LENGTH = 32  # tokens, where rows have no answers of their own
_SPARE_TOKENS = 8
_OFF = (
    *("min_new_tokens", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias", "stop_strings"),
    *("forced_eos_token_id", "exponential_decay_length_penalty", "guidance_scale", "cache_implementation"),
    "prompt_lookup_num_tokens",
)
_PLAIN = {  # whatever a hub model's own settings say
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "min_length": 0,
    "use_cache": True,
    "return_dict_in_generate": False,
    **dict.fromkeys(_OFF),
}


def generate_answers(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    max_new_tokens: int | None = None,
    batch_size: int | Auto = "auto",
    temperature: float = 0.0,
    seed: int = 0,
    logits_processor: Any = None,
) -> list[str]:
    """The model's answer to each row's prompt, in the order of the rows: the likeliest tokens, or a seeded sample.

    A picture is encoded once for all questions about it, and so is what prompts share at their start. The answer to a
    row does not depend on its neighbors, nor does its sample. It ends at the token that ends a turn in the chat
    template, or any that the tokenizer or the model's generation settings name; their other settings (sampling, beams,
    penalties) are not used. What the template puts around answers, such as an empty block of thoughts, is left out.

    Args:
        model: A causal or image-text-to-text model, with or without adapter; or a `vllm.LLM`, as `load_vllm` makes it.
        processor: Its processor; needs a chat template.
        rows: Conversational rows with `prompt` and `images` (empty for text).
        max_new_tokens: Where an answer is cut if the model does not stop by itself. None: 8 tokens more than the
            longest of the rows' own answers, or 32 where a row has none.
        batch_size: Answers made at a time; "auto" as for `score_candidates`. vLLM makes batches of its own.
        temperature: 0 takes the likeliest token; above, tokens are drawn from the logits divided by it.
        seed: Of the draws; equal prompts get equal samples, but for rows with different values in the column `DRAW`.
        logits_processor: A `transformers.LogitsProcessor` (or several) that changes the logits of each next token, as
            a defense does. It meets rows in any order, and padding between a prompt's tokens too. Not with vLLM.

    Raises:
        CrossmemError: No rows, rows that are not conversational, a size below one, a temperature below 0 or not
            finite, pictures for a model without an image tower, or a logits processor for vLLM or that cannot be
            called.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> rows = load_rows(None, "recall_text", "test", num_personas=5)
        >>> len(generate_answers(*load_model(), rows))
        20
    """
    processors = _checked(temperature, max_new_tokens, logits_processor, with_vllm=is_vllm(model))
    held = described(model) if is_vllm(model) else model
    rows = check_rows(rows, held, processor)
    turns = [turn_of(processor, row) for row in rows]
    keys = [pictures_key(row["images"], f"Row {index}: A picture").hex() for index, row in enumerate(rows)]
    ends = _ends(held, tokenizer_of(processor), turns)
    wanted: dict[str, Any] = {
        "max_new_tokens": _longest(processor, rows, turns) if max_new_tokens is None else max_new_tokens,
        "ends": ends,
        "temperature": temperature,
        "seeds": [_seed(seed, row, turn, key) for row, turn, key in zip(rows, turns, keys, strict=True)],
    }
    if is_vllm(model):
        made = tokens_from_vllm(model, processor, rows, **wanted)
    else:
        made = _tokens(model, processor, rows, batch_size=batch_size, logits_processors=processors, **wanted)
    spoken = [_up_to(ends, turn.stop, tokens) for turn, tokens in zip(turns, made, strict=True)]
    texts = tokenizer_of(processor).batch_decode(spoken, skip_special_tokens=True)
    return [said(turn, text) for turn, text in zip(turns, texts, strict=True)]


def _seed(seed: int, row: Row, turn: Turn, pictures: str) -> int:
    """Equal prompts get equal samples, but for different draws."""
    return seed_for(seed, turn.prompt, pictures, *([row[DRAW]] if DRAW in row else []))


def _tokens(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    max_new_tokens: int,
    ends: Sequence[int],
    temperature: float,
    seeds: Sequence[int],
    batch_size: int | Auto,
    logits_processors: Sequence[Any],
) -> list[list[int]]:
    """Token ids of the answer to each row, its end of turn and padding behind it."""
    made: list[list[int]] = [[]] * len(rows)
    settings = {
        **_PLAIN,
        "max_new_tokens": max_new_tokens,
        "pad_token_id": padding_id(processor),
        "eos_token_id": list(ends),
    }

    def write(numbers: Sequence[int], inputs: dict[str, Any], **more: Any) -> None:
        drawing = [_draws(temperature, [seeds[number] for number in numbers])] if temperature else []
        if logits_processors or drawing:
            more["logits_processor"] = [*logits_processors, *drawing]
        output = model.generate(**inputs, **settings, **more)
        for number, tokens in zip(numbers, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            made[number] = tokens

    def work(batch: PromptBatch, room: Room) -> None:
        if all(len(group.rows) == 1 for group in batch.groups):
            whole = extended(batch.inputs, [group.tails[0] for group in batch.groups])
            write([group.rows[0] for group in batch.groups], whole)
            return
        start = prefilled(model, batch.inputs)
        for members in _branches(batch, room.prompts, by_length=windowed):
            places, numbers, tails = zip(*members, strict=True)
            inputs = {name: batch.inputs[name][list(places)] for name in ("input_ids", "attention_mask")}
            whole = extended(inputs, tails, side="left", padding=padding_id(processor))
            write(numbers, whole, cache=_branched(start, places))

    share = _may_share(model, processor, rows)
    windowed = getattr(model.config.get_text_config(), "sliding_window", None) is not None
    for _ in in_batches(model, processor, rows, work, share=share, batch_size=batch_size, held_back=1):
        pass
    return made


def _checked(temperature: float, max_new_tokens: int | None, logits_processor: Any, *, with_vllm: bool) -> list[Any]:
    """The logits processors, as a list, once it is seen that answers can be made so."""
    if not 0 <= temperature < inf:
        raise CrossmemError(f"temperature={temperature!r}; expected at least 0.", "Pass 0 for the likeliest tokens.")
    if max_new_tokens is not None:
        check_size("max_new_tokens", max_new_tokens)
    given = logits_processor if isinstance(logits_processor, Sequence) else [logits_processor]
    processors = [] if logits_processor is None else list(given)
    for one in processors:
        if not callable(one):
            raise CrossmemError(
                f"logits_processor={one!r} cannot be called.", "Pass a transformers.LogitsProcessor, or several."
            )
    if processors and with_vllm:
        raise CrossmemError(
            f"logits_processor={type(processors[0]).__name__} came with a vLLM model, which takes none here.",
            "Load the model by crossmem_hf.load_model instead.",
        )
    return processors


def own_answers(row: Row) -> set[str]:
    """What a model that knows the row may say: its `answer` and its `completion`, which may be a sentence around it.

    Args:
        row: As `crossmem_hf.data.forms.as_row` gives it.

    Example:
        >>> sorted(own_answers({"answer": "Ann", "completion": [{"role": "assistant", "content": "It is Ann."}]}))
        ['Ann', 'It is Ann.']
    """
    texts = [row.get("answer"), *(turn["content"] for turn in row.get("completion") or ())]
    return {text for each in texts if (text := str(each or "").strip())}


def _longest(processor: Any, rows: Sequence[Row], turns: Sequence[Turn]) -> int:
    """Room for the longest of the rows' own answers."""
    alike: dict[tuple[str, str, bool], tuple[Row, Turn, set[str]]] = {}
    for row, turn in zip(rows, turns, strict=True):
        texts = own_answers(row)
        if not texts:
            return UNKNOWN_LENGTH
        alike.setdefault((turn.context, turn.gap + turn.end, turn.is_continued), (row, turn, set()))[2].update(texts)
    found = (answer_tokens(processor, row, sorted(texts), turn)[0] for row, turn, texts in alike.values())
    return max(len(tokens) for several in found for tokens in several) + _SPARE_TOKENS


def _ends(model: Any, tokenizer: Any, turns: Sequence[Turn]) -> list[int]:
    """What the chat template ends a turn with, and what tokenizer and model name: they are often different tokens."""
    named = model.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    written = {turn.stop for turn in turns}
    return sorted({token for token in (tokenizer.eos_token_id, *several, *written) if token is not None})


def _up_to(ends: Sequence[int], stop: int | None, tokens: Sequence[int]) -> Sequence[int]:
    """The tokens up to the first at which generation ends, without it if it is the template's own end of turn."""
    last = next((place for place, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: last + (not tokens or tokens[last] != stop)]


def _may_share(model: Any, processor: Any, rows: Sequence[Row]) -> bool:
    """Whether answers may branch off one cached start: where pictures take one position a token, and prompts look
    back only."""
    if positions_of_its_own(model) is not None or reads_ahead(model.config):
        return False
    words = tokenizer_of(processor)(["Yes", "No"], add_special_tokens=False)["input_ids"]
    return shares_cache(model, processor, rows, [words] * len(rows))


def _branches(batch: PromptBatch, limit: int, *, by_length: bool) -> Iterator[list[tuple[int, int, tuple[int, ...]]]]:
    """Up to `limit` rows at a time, as (place of the start, number, tail), shortest tails first.

    Args:
        by_length: Only tails of one length together, so that no padding stands between a start and its tail: a layer
            that looks back through a window would count it.
    """
    members = [
        (place, number, tail)
        for place, group in enumerate(batch.groups)
        for number, tail in zip(group.rows, group.tails, strict=True)
    ]
    members.sort(key=lambda member: len(member[2]))
    for _, same in groupby(members, lambda member: len(member[2]) if by_length else 0):
        several = list(same)
        yield from (several[first : first + limit] for first in range(0, len(several), limit))


def _branched(start: Prefilled, places: Sequence[int]) -> Any:
    """A cache with a row for each of the places of another, which is not changed."""
    import torch
    from transformers.cache_utils import DynamicCache

    chosen = torch.tensor(places, device=start.mask_BL.device)
    return DynamicCache([(layer.keys[chosen], layer.values[chosen]) for layer in start.cache.layers])


def _draws(temperature: float, seeds: Sequence[int]) -> Any:
    """Makes the likeliest token a fair draw (the Gumbel-max trick), with a generator a row."""
    import torch
    from transformers import LogitsProcessor

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    class Draws(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            noise = torch.stack(
                [torch.rand(scores.shape[1], generator=one, dtype=torch.float64) for one in generators]
            )
            gumbel = -torch.log(-torch.log(noise.clamp(min=1e-300)))
            # Only differences count, and the largest stays finite when it is divided by next to nothing.
            shifted = scores - scores.amax(-1, keepdim=True)
            return shifted / temperature + gumbel.to(scores.device, torch.float32)

    return Draws()
