# SPDX-License-Identifier: Apache-2.0
"""The clock and the table of a benchmark with two sides. It does not know what either side does.

Both sides run in one process, on the same inputs, in turns. A contest counts only if both came to the same numbers.
CPU seconds of this process on a CPU, so that other programs on the machine change little; seconds on the clock with
an accelerator. Set ``OMP_WAIT_POLICY=PASSIVE``: threads that spin while they wait would count as work.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from arena import QUICK, SHAPES, Arena, arena_of
from table import table_of

from crossmem_hf.storage import write_atomic

TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2}  # nats a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one side: what counts, the clock, and the most memory above what was there before (None on a CPU)."""

    seconds: float
    wall_seconds: float
    peak_bytes: int | None


def timed(work: Callable[[], Any], device: str) -> tuple[Any, Run]:
    """The result and what it took."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    if on_gpu:
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = torch.cuda.max_memory_allocated() - before if on_gpu else None
    return result, Run(seconds=wall if on_gpu else cpu, wall_seconds=wall, peak_bytes=peak)


def contest(
    arena: Arena,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    differ: Callable[[Any, Any], float],
    *,
    scale: float = 1.0,
    tolerance: float | None = None,
) -> dict[str, Any]:
    """Seconds of both sides, run in turns, ours first in every other.

    One that takes longer than `settings.patience` is not repeated.

    Args:
        differ: How far apart the results are, in nats a token; too far, and the run ends.
        tolerance: How far they may be apart; default: by precision.
        scale: Of the opponent's seconds, where it did only a part of the work.
    """
    settings = arena.settings
    tolerance = TOLERANCES[arena.shape.dtype] if tolerance is None else tolerance
    runs: tuple[list[Run], list[Run]] = ([], [])
    difference = float("nan")
    for turn in range(settings.repeats):
        results = []
        sides = list(zip((ours, theirs), runs, strict=True))
        for work, done in reversed(sides) if turn % 2 else sides:  # the first in a turn may find a colder machine
            if not done or done[0].wall_seconds < settings.patience:
                result, run = timed(work, settings.device)
                results.append(result)
                done.append(run)
        if turn == 0:
            difference = differ(*results)
            if not difference <= tolerance:  # so that NaN ends it, too
                raise SystemExit(
                    f"Both sides differ by {difference} (at most {tolerance}); a ratio would mean nothing."
                )
    return compared(*runs, difference, tolerance, scale=scale)


def compared(
    ours: Sequence[Run], theirs: Sequence[Run], difference: float, tolerance: float, *, scale: float = 1.0
) -> dict[str, Any]:
    """Medians of both sides' runs, how many there were, and the ratios: of what counts, and of the clock."""
    runs = ours, theirs
    seconds = [median(run.seconds for run in done) for done in runs]
    clocks = [median(run.wall_seconds for run in done) for done in runs]
    peaks = [max(run.peak_bytes or 0 for run in done) or None for done in runs]
    return {
        "ours_seconds": seconds[0],
        "opponent_seconds": seconds[1] * scale,
        "ours_wall_seconds": clocks[0],
        "opponent_wall_seconds": clocks[1] * scale,
        "ratio": seconds[1] * scale / seconds[0],
        "wall_ratio": clocks[1] * scale / clocks[0],
        "difference": difference,
        "tolerance": tolerance,
        "ours_peak_bytes": peaks[0],
        "opponent_peak_bytes": peaks[1],
        "num_runs": {"ours": len(ours), "opponent": len(theirs)},
        "runs": {"ours": [asdict(run) for run in runs[0]], "opponent": [asdict(run) for run in runs[1]]},
    }


def judged(
    case: str,
    opponent: str,
    result: dict[str, Any],
    target: float | None,
    *,
    lower_is_better: bool = False,
    note: str = "",
) -> dict[str, Any]:
    """A contest with its name and whether it reached its target, said at once.

    Args:
        lower_is_better: The ratio is ours to the opponent's, and small is good; else theirs to ours.
    """
    ratio, clock = (
        1 / value if value and lower_is_better else value for value in (result["ratio"], result["wall_ratio"])
    )
    met = None if target is None else (ratio <= target if lower_is_better else ratio >= target)
    verdict = {"ratio": ratio, "wall_ratio": clock, "target": target, "lower_is_better": lower_is_better, "met": met}
    whole = {"case": case, "opponent": opponent, **result, **verdict, "note": note}
    print(f"  {case} | {opponent} | ratio {ratio:.2f}{'' if clock is None else f', wall {clock:.2f}'}", flush=True)
    return whole


def base_parser(description: str) -> argparse.ArgumentParser:
    """The options both benchmarks have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(SHAPES), default="large")
    parser.add_argument("--device", help="default: cuda for llava7b, cpu for the others")
    parser.add_argument("--repeats", type=int, default=3, help="of each side; the median counts")
    parser.add_argument("--patience", type=float, default=45, help="seconds; a side that takes longer runs once")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--quick", action="store_true", help="a tiny model of the same kind, to see that all runs")
    parser.add_argument("--output", type=Path, help="also write all numbers as JSON")
    parser.add_argument("--markdown", type=Path, help="also write the table")
    return parser


def complete(settings: argparse.Namespace) -> argparse.Namespace:
    """The settings, with a device in any case."""
    settings.device = settings.device or ("cuda" if settings.model == "llava7b" else "cpu")
    return settings


def entered(settings: argparse.Namespace) -> Arena:
    """The arena, once the threads are set."""
    torch.set_num_threads(settings.threads)
    shape = SHAPES[settings.model]
    arena = arena_of(replace(shape, **QUICK) if settings.quick else shape, settings)
    settings.parameters = sum(weight.numel() for weight in arena.model.parameters())
    place = torch.cuda.get_device_name() if settings.device.startswith("cuda") else f"{settings.threads} CPU threads"
    print(
        f"{settings.model}: {settings.parameters:,} parameters, {shape.dtype}, {arena.shape.side**2} tokens a picture"
    )
    print(f"on {place}", flush=True)
    return arena


def finished(arena: Arena, results: list[dict[str, Any]], growth: Sequence[dict[str, Any]] = ()) -> None:
    """Show the table, and write it and all numbers where asked."""
    settings = arena.settings
    text = table_of(results, on_gpu=settings.device.startswith("cuda"))
    text += "".join(f"\nGrowth: {line['said']}.\n" for line in growth)
    print(f"\n{text}")
    if settings.markdown:
        write_atomic(settings.markdown, text)
    if settings.output:
        settled = {name: value for name, value in vars(settings).items() if not isinstance(value, Path)}
        versions = {name: version(name) for name in ("torch", "transformers")} | {"python": platform.python_version()}
        record = {"settings": settled, "versions": versions, "results": results, "growth": list(growth)}
        write_atomic(settings.output, json.dumps(record, indent=2) + "\n")


def max_batch_size(arena: Arena, count: int, work: Callable[[int], Any]) -> int:
    """How many of `count` sequences the opponent takes at once: as told, or all, or the largest power of 2 that fits.

    Args:
        work: Runs one batch of at most so many.
    """
    if arena.settings.batch_size != "auto":
        return min(count, int(arena.settings.batch_size))
    size = 1 << (count - 1).bit_length()
    while True:
        try:
            work(size)
            return min(count, size)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
        torch.cuda.empty_cache()


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Consecutive parts of at most so many items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
