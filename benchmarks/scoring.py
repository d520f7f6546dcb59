# SPDX-License-Identifier: Apache-2.0
"""The scoring engine against programs that build every prompt anew for every candidate and every metric.

    python benchmarks/scoring.py --output scoring.json --figures figures        # 100 M parameters, 576 image tokens
    python benchmarks/scoring.py --model micro
    python benchmarks/scoring.py --model llava7b --device cuda

Both sides must come to the same numbers, or the run fails. Growth: seconds against the number of candidates and the
length of the picture; `python benchmarks/table.py --write` draws the figures of stored results again.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arena import Arena, Row, arena_of, fact_rows, name_row, names
from contest import base_parser, complete, contest, entered, finished, judged, max_batch_size, timed
from growth import drawn, grown
from opponents import (
    LOWEST,
    METRICS,
    Floats,
    a_pass_a_metric,
    answer_ids,
    batched,
    floor,
    one_by_one,
    prepared,
    sizes_of,
)

from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import Scores, score_candidates

Result = dict[str, Any]
COUNTS = (1, 50, 100, 200, 400, 700, 1000)
SIDES = (8, 16, 24, 32, 40, 48)  # pictures of 64 to 2,304 tokens
QUICK_COUNTS, QUICK_SIDES = (1, 5, 20), (2, 4, 6)


def main() -> None:
    settings = parsed()
    arena = entered(settings)
    print(f"about {estimate(arena) / 60:.0f} minutes", flush=True)
    results = [result for case in settings.cases for result in CASES[case](arena)]
    grown = [result for result in results if "points" in result]
    finished(arena, [result for result in results if "points" not in result], growth=grown)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The settings, complete; by default of the command line."""
    parser = base_parser(__doc__ or "")
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument(
        "--batch_size",
        type=lambda text: text if text == "auto" else int(text),
        default="auto",
        help="sequences at once, for the opponent; auto: 20 on a CPU, else the largest power of two that fits",
    )
    parser.add_argument("--num_rows", type=int, help="for the metrics; default: 256, for large 24")
    parser.add_argument("--opponent_questions", type=int, help="of 100, timed and scaled; default: 100, for large 4")
    parser.add_argument("--figures", type=Path, help="folder for the figures of growth")
    settings = complete(parser.parse_args(arguments))
    slow = settings.quick or settings.model == "large"
    settings.num_rows = settings.num_rows or (24 if slow else 256)
    settings.opponent_questions = settings.opponent_questions or (4 if slow else 100)
    if settings.batch_size == "auto" and not settings.device.startswith("cuda"):
        settings.batch_size = 20
    return settings


def estimate(arena: Arena) -> float:
    """Seconds the whole run will take, from those of one pass; first calls, which are nobody's time, are made here."""
    settings, row, pair = arena.settings, name_row(arena.pixels), names(2)
    naive = partial(one_by_one, arena.model, arena.processor, row, pair)
    naive()
    scores_of(arena, [row], pair)
    unit = timed(naive, settings.device)[1].wall_seconds / 2
    passes = {
        "k20": (20, 20),
        "k100": (100, 100),
        "questions": (20 * settings.opponent_questions, 25),
        "floor": (2, 4),
        "metrics": (5 * settings.num_rows, settings.num_rows) * 2,
        "growth": (10, 10, 10),
    }
    sides = [unit * number for case in settings.cases for number in passes[case]]
    return sum(seconds * (settings.repeats if seconds < settings.patience else 1) for seconds in sides)


def few_candidates(arena: Arena) -> list[Result]:
    return candidates_case(arena, 20, (14, 10))


def many_candidates(arena: Arena) -> list[Result]:
    return candidates_case(arena, 100, (50, 35))


def candidates_case(arena: Arena, count: int, targets: tuple[float, float]) -> list[Result]:
    queried = arena.model, arena.processor, name_row(arena.pixels), names(count)
    size = batch_of(arena, queried[2], queried[3])
    opponents = {
        "one by one": partial(one_by_one, *queried),
        f"batched by {size}": partial(batched, *queried, size),
    }
    note = sizes_of(arena.processor, [queried[2]], queried[3])
    ours = partial(scores_of, arena, [queried[2]], queried[3])
    return [
        judged(f"K = {count}, one question", name, contest(arena, ours, theirs, nats_apart), target, note=note)
        for (name, theirs), target in zip(opponents.items(), targets, strict=True)
    ]


def batch_of(arena: Arena, row: Row, candidates: Sequence[str]) -> int:
    """How many candidates the opponent takes at once, tried with the longest."""
    longest = sorted(candidates, key=lambda text: -len(answer_ids(arena.processor, row, text)))
    return max_batch_size(
        arena, len(candidates), lambda size: batched(arena.model, arena.processor, row, longest[:size], size)
    )


def scores_of(arena: Arena, rows: Sequence[Row], candidates: Sequence[str]) -> Scores:
    return score_candidates(arena.model, arena.processor, rows, candidates)


def nats_apart(ours: Scores, theirs: Floats) -> float:
    """The largest difference, in nats a token, of what the opponent scored: our first rows and candidates."""
    rows, count = np.atleast_2d(theirs).shape
    return float((np.abs(ours.nll_nats[:rows, :count] - theirs) / ours.num_tokens[:rows, :count]).max())


def many_questions(arena: Arena) -> list[Result]:
    rows, candidates = fact_rows(1, 100, arena.pixels, one_picture=True), names(20)
    part, size = rows[: arena.settings.opponent_questions], batch_of(arena, rows[0], candidates)

    def theirs() -> Floats:
        return np.array([batched(arena.model, arena.processor, row, candidates, size) for row in part])

    result = contest(
        arena, partial(scores_of, arena, rows, candidates), theirs, nats_apart, scale=len(rows) / len(part)
    )
    note = sizes_of(arena.processor, rows, candidates)
    note += "" if len(part) == len(rows) else f"; opponent scaled from {len(part)} questions"
    case = f"100 questions × {len(candidates)} candidates, one picture"
    return [judged(case, f"batched by {size}", result, 60, note=note)]


def against_floor(arena: Arena) -> list[Result]:
    """The floor starts from tensors that are ready; what making them takes is said in the note.

    It packs candidates without sharing their starts, as the engine does, so the engine may beat it.
    """
    row, results = name_row(arena.pixels), []
    for count in (20, 100):
        candidates = names(count)
        (inputs, answers), preparing = timed(partial(ready, arena, row, candidates), arena.settings.device)
        result = contest(
            arena,
            partial(scores_of, arena, [row], candidates),
            partial(floor, arena.model, inputs, answers),
            nats_apart,
        )
        note = f"{sizes_of(arena.processor, [row], candidates)}; the floor packs without prefix sharing; "
        note += f"ours also prepares picture and tokens, {1000 * preparing.seconds:.0f} ms"
        results.append(
            judged(f"K = {count}, ours to the floor", "floor", result, 1.3, lower_is_better=True, note=note)
        )
    return results


def ready(arena: Arena, row: Row, candidates: Sequence[str]) -> tuple[dict[str, torch.Tensor], list[list[int]]]:
    inputs = {name: value.to(arena.model.device) for name, value in prepared(arena.processor, row).items()}
    return inputs, [answer_ids(arena.processor, row, candidate) for candidate in candidates]


def five_at_once(arena: Arena) -> list[Result]:
    results = []
    # In bfloat16 near ties fall either way, and a count of likeliest tokens jumps.
    compared = len(METRICS) if arena.shape.dtype == torch.float32 else len(METRICS) - 1

    def apart(ours: Floats, theirs: Floats) -> float:
        """Min-K%++ relatively where it is large: it is divided by a deviation that may be next to nothing."""
        scale = np.where(np.array(list(METRICS)) == "Min-K%++", np.maximum(1, np.abs(theirs)), 1)
        return float((np.abs(ours - theirs) / scale)[:, :compared].max())

    for one_picture, words in ((False, "a picture each"), (True, "4 to a picture")):
        rows = fact_rows(arena.settings.num_rows // 4, 4, arena.pixels, one_picture=one_picture)
        plain = partial(a_pass_a_metric, arena.model, arena.processor)
        size = max_batch_size(arena, len(rows), lambda size, rows=rows, plain=plain: plain(rows[:size], size))
        note = f"{sizes_of(arena.processor, rows, [row['answer'] for row in rows])}; opponent batched by {size}"
        result = contest(
            arena,
            partial(metrics_of, arena, rows),
            partial(plain, rows, size),
            apart,
        )
        results.append(judged(f"five metrics, {len(rows)} rows, {words}", "a pass a metric", result, 4, note=note))
    return results


def metrics_of(arena: Arena, rows: Sequence[Row]) -> Floats:
    """(rows, metrics), as `a_pass_a_metric` has them."""
    table = []
    for tokens in score_answers(arena.model, arena.processor, rows):
        number, mean = max(1, int(LOWEST * len(tokens.logprobs))), tokens.logprobs.mean()
        standard = (tokens.logprobs - tokens.means) / tokens.stds
        lowest = [np.sort(values)[:number].mean() for values in (tokens.logprobs, standard)]
        table.append([mean, -mean, *lowest, np.cumprod(tokens.matches[::-1]).mean()])
    return np.array(table)


def growth(arena: Arena) -> list[Result]:
    """Our seconds for more candidates and for longer pictures; a plain pass checks the scores at each point."""
    counts, sides = (QUICK_COUNTS, QUICK_SIDES) if arena.settings.quick else (COUNTS, SIDES)
    in_candidates = {count: seconds_of(arena, names(count)) for count in counts}
    in_tokens = {
        side**2: seconds_of(arena_of(replace(arena.shape, side=side), arena.settings), names(20)) for side in sides
    }
    lines = [line_of("candidates", in_candidates), line_of("image_tokens", in_tokens)]
    for line in lines:
        print(f"  {line['said']}", flush=True)
        if arena.settings.figures:
            drawn(line, arena.settings.figures, "CPU seconds" if arena.settings.device == "cpu" else "seconds")
    return lines


def seconds_of(arena: Arena, candidates: Sequence[str]) -> Result:
    """Ours, against a plain pass over the prompt and the first candidate alone."""
    row = name_row(arena.pixels)
    scores_of(arena, [row], candidates[:2])  # a new model's first call is nobody's time
    plain = partial(one_by_one, arena.model, arena.processor, row, candidates[:1])
    return contest(arena, partial(scores_of, arena, [row], candidates), plain, nats_apart)


def line_of(name: str, results: dict[int, Result]) -> Result:
    """What the contests at several sizes say together."""
    sides = ("ours", "opponent")
    points, wall_points = (
        [(size, *(result[f"{side}_{clock}"] for side in sides)) for size, result in results.items()]
        for clock in ("seconds", "wall_seconds")
    )
    return grown(name, points, wall_points, min(min(result["num_runs"].values()) for result in results.values()))


CASES: dict[str, Callable[[Arena], list[Result]]] = {
    "k20": few_candidates,
    "k100": many_candidates,
    "questions": many_questions,
    "floor": against_floor,
    "metrics": five_at_once,
    "growth": growth,
}

if __name__ == "__main__":
    main()
