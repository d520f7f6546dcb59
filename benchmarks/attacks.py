# SPDX-License-Identifier: Apache-2.0
"""Extraction and membership inference on 256 rows, against a loop that takes a row at a time and a forward a metric.

    python benchmarks/attacks.py --model micro --output attacks_micro.json
    python benchmarks/attacks.py --output attacks.json                          # 100 M parameters, 576 image tokens
    python benchmarks/attacks.py --model llava7b --device cuda

Extraction: the log-probability of the right answer, from which (n, p) extraction follows, and the greedy answer.
Membership: loss, Min-K%, Min-K%++, MaxRényi-K% and the ratio to a reference model. Both sides must come to the
same numbers.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from arena import Arena, Row, arena_of, fact_rows
from contest import base_parser, complete, contest, entered, finished, judged
from generation import one_by_one as each_alone
from opponents import METRICS, Floats, a_pass_a_metric, max_renyi, sizes_of

from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.generation import generate_answers

TARGET = 5
LIKELIHOOD = {"mean": METRICS["answer probability"]}
SCORES = {
    **{name: METRICS[name] for name in ("perplexity", "Min-K%", "Min-K%++")},
    "MaxRényi-K%": max_renyi,
}


def main() -> None:
    arena = entered(parsed())
    finished(arena, [extraction(arena), membership(arena)])


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The settings, complete; by default of the command line."""
    parser = base_parser(__doc__ or "")
    parser.add_argument("--num_pictures", type=int, default=64)
    parser.add_argument("--questions", type=int, default=4, help="about each picture")
    parser.add_argument("--max_new_tokens", type=int, default=16)
    return complete(parser.parse_args(arguments))


def rows_of(arena: Arena) -> list[Row]:
    return fact_rows(arena.settings.num_pictures, arena.settings.questions, arena.pixels, one_picture=True)


def extraction(arena: Arena) -> dict[str, Any]:
    """What both sides give of a row: the mean log-probability of its answer, and the greedy answer."""
    rows, limit = rows_of(arena), arena.settings.max_new_tokens
    one_by_one(arena, rows[:1])  # first calls are nobody's time
    extracted(arena, rows[:1])
    shares = []

    def differ(ours: tuple[Floats, list[str]], theirs: tuple[Floats, list[str]]) -> float:
        shares.append(sum(a == b for a, b in zip(ours[1], theirs[1], strict=True)) / len(rows))
        unequal = arena.shape.dtype == torch.float32 and shares[-1] < 1
        return float("inf") if unequal else float(np.abs(ours[0] - theirs[0]).max())

    result = contest(arena, partial(extracted, arena, rows), partial(one_by_one, arena, rows), differ)
    note = f"{sizes_of(arena.processor, rows, [row['answer'] for row in rows])}, at most {limit} new; "
    note += f"{shares[0]:.0%} of greedy answers equal"
    return judged(f"extraction, {len(rows)} rows", "a row at a time", result, TARGET, note=note)


def extracted(arena: Arena, rows: Sequence[Row]) -> tuple[Floats, list[str]]:
    tokens = score_answers(arena.model, arena.processor, rows)
    answers = generate_answers(arena.model, arena.processor, rows, max_new_tokens=arena.settings.max_new_tokens)
    return np.array([one.logprobs.mean() for one in tokens]), answers


def one_by_one(arena: Arena, rows: Sequence[Row]) -> tuple[Floats, list[str]]:
    """What other programs do: a forward for the likelihood, a generation for the answer, each with its picture."""
    likelihoods = a_pass_a_metric(arena.model, arena.processor, rows, 1, LIKELIHOOD)[:, 0]
    return likelihoods, each_alone(arena, rows)


def membership(arena: Arena) -> dict[str, Any]:
    """The scores of each row; the reference model has the same weights, all a little larger."""
    rows = rows_of(arena)
    reference = arena_of(arena.shape, arena.settings).model
    with torch.no_grad():
        for weight in reference.parameters():
            weight.mul_(1.05)
    sides = partial(scores_of, arena, reference, rows), partial(a_row_at_a_time, arena, reference, rows)
    for side in (scores_of, a_row_at_a_time):
        side(arena, reference, rows[:1])

    def apart(ours: Floats, theirs: Floats) -> float:
        """Min-K%++ relatively where it is large: it is divided by a deviation that may be next to nothing."""
        scale = np.ones_like(theirs)
        place = list(SCORES).index("Min-K%++")
        scale[:, place] = np.maximum(1, np.abs(theirs[:, place]))
        return float((np.abs(ours - theirs) / scale).max())

    result = contest(arena, *sides, apart)
    note = sizes_of(arena.processor, rows, [row["answer"] for row in rows])
    case = f"membership, five scores, {len(rows)} rows, two models"
    return judged(case, "a row at a time, a forward a score", result, TARGET, note=note)


def scores_of(arena: Arena, reference: Any, rows: Sequence[Row]) -> Floats:
    """(rows, scores): those of `SCORES`, and the ratio to the reference."""
    own, theirs = (score_answers(model, arena.processor, rows) for model in (arena.model, reference))
    lists = [[getattr(one, name) for one in own] for name in ("logprobs", "means", "stds")]
    found = token_scores(*lists, reference=[one.logprobs for one in theirs])
    columns = (-found.logprob_per_token, found.min_k, found.min_k_plus_plus, found.max_renyi, found.reference_ratio)
    return np.stack([np.asarray(column) for column in columns], axis=1)


def a_row_at_a_time(arena: Arena, reference: Any, rows: Sequence[Row]) -> Floats:
    found = a_pass_a_metric(arena.model, arena.processor, rows, 1, SCORES)
    own, theirs = (a_pass_a_metric(model, arena.processor, rows, 1, LIKELIHOOD) for model in (arena.model, reference))
    return np.hstack([found, own - theirs])


if __name__ == "__main__":
    main()
