# SPDX-License-Identifier: Apache-2.0
"""`generate_answers` against a loop that asks each question alone, with its picture: 64 questions about 16 pictures.

    python benchmarks/generation.py --output generation.json                    # 100 M parameters, 576 image tokens
    python benchmarks/generation.py --model llava7b --device cuda

Both sides answer greedily, with as many new tokens, and must answer alike: all answers in float32. In bfloat16 near
ties fall either way; nine of ten answers must be equal there.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from arena import Arena, Row, fact_rows
from contest import base_parser, complete, contest, entered, finished, judged
from opponents import prepared, sizes_of

from crossmem_hf.scoring.generation import generate_answers

TARGETS = {"cpu": 2, "cuda": 4}
MAX_UNEQUAL = {torch.float32: 0.0, torch.bfloat16: 0.1}  # share of the answers


def main() -> None:
    arena = entered(parsed())
    finished(arena, [measured(arena)])


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The settings, complete; by default of the command line."""
    parser = base_parser(__doc__ or "")
    parser.add_argument("--num_pictures", type=int, default=16)
    parser.add_argument("--questions", type=int, default=4, help="about each picture")
    parser.add_argument("--batch_size", type=int, default=16, help="ours")
    parser.add_argument("--max_new_tokens", type=int, default=16)
    return complete(parser.parse_args(arguments))


def measured(arena: Arena) -> dict[str, Any]:
    settings = arena.settings
    rows = fact_rows(settings.num_pictures, settings.questions, arena.pixels, one_picture=True)
    one_by_one(arena, rows[:1])  # first calls are nobody's time
    ours_of(arena, rows[:1])
    shares = []

    def differ(ours: list[str], theirs: list[str]) -> float:
        shares.append(sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(rows))
        return 1 - shares[-1]

    sides = partial(ours_of, arena, rows), partial(one_by_one, arena, rows)
    result = contest(arena, *sides, differ, tolerance=MAX_UNEQUAL[arena.shape.dtype])
    case = f"generation, {len(rows)} questions, {settings.num_pictures} pictures, batch {settings.batch_size}"
    prompts = sizes_of(arena.processor, rows, [row["answer"] for row in rows]).split(",")[0]
    note = f"{prompts}, at most {settings.max_new_tokens} new; {shares[0]:.0%} of answers equal"
    target = TARGETS[torch.device(settings.device).type]
    return judged(case, "each question alone", result, target, note=note) | {"equal_answers": shares[0]}


def ours_of(arena: Arena, rows: Sequence[Row]) -> list[str]:
    settings = arena.settings
    sizes = {"max_new_tokens": settings.max_new_tokens, "batch_size": settings.batch_size}
    return generate_answers(arena.model, arena.processor, rows, **sizes)


@torch.inference_mode()
def one_by_one(arena: Arena, rows: Sequence[Row]) -> list[str]:
    """What other programs do."""
    tokenizer, answers = arena.processor.tokenizer, []
    for row in rows:
        inputs = {name: value.to(arena.model.device) for name, value in prepared(arena.processor, row).items()}
        output = arena.model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=arena.settings.max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        answer = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        answers.append(answer.strip())
    return answers


if __name__ == "__main__":
    main()
