# SPDX-License-Identifier: Apache-2.0
"""What only a GPU can say, in at most eight minutes of one H100 or H200: `make gpu`.

    python benchmarks/gpu.py                          # writes results/benchmarks/gpu.json, prints a table
    python benchmarks/gpu.py --parts memory fsdp2
    python benchmarks/gpu.py --device cpu --toy       # the same code on a tiny model, to see that it runs

LLaVA-1.5-7B's shape with random weights in bfloat16. Each part has its share of the time, and what earlier parts left
of theirs; a part that is not through by then ends with what it has. The file is written anew after each result.
"""

import argparse
import json
import platform
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import torch
from arena import QUICK, SHAPES, arena_of
from gpu_parts import PARTS, Bench, Part, SkippedError
from table import gpu_lines

from crossmem_hf.storage import write_atomic

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "results" / "benchmarks" / "gpu.json"
STARTING = 30  # seconds until the model is there
ACTIVATIONS = 16e9  # bytes, beside the weights of two models
SCRATCH = 1e9  # bytes of disk: references and logs, no weights


class OutOfTimeError(BaseException):
    """A part's time is over; no `except Exception` on the way may swallow it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--toy", action="store_true", help="a tiny model of the same kind, to see that all runs")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--output", type=Path, help=f"default: {RECORD.relative_to(ROOT)}, and with --toy none")
    settings = parser.parse_args()
    settings.parts = [name for name in PARTS if name in settings.parts]
    if settings.output is None and not settings.toy:
        settings.output = RECORD
    announce(settings)
    check_room(settings)
    record = measured(settings)
    print(f"\n{gpu_lines(record)}")
    if settings.output:
        print(f"all numbers: {settings.output}")
    sys.exit(1 if any(part["status"] == "failed" for part in record["parts"].values()) else 0)


@cache
def parameters(*, toy: bool = False) -> int:
    """Of LLaVA-1.5-7B's shape, or of a toy of it, counted without room for them."""
    shape = replace(SHAPES["llava7b"], **QUICK) if toy else SHAPES["llava7b"]
    model = arena_of(shape, argparse.Namespace(model="llava7b", device="meta")).model
    return sum(weight.numel() for weight in model.parameters())


def needed_bytes() -> float:
    """GPU memory: a model and the second one that the opponent holds, in bfloat16, and activations."""
    return 2 * 2 * parameters() + ACTIVATIONS


def announce(settings: argparse.Namespace) -> None:
    """Say what the run will need, before it takes it."""
    chosen = [PARTS[name] for name in settings.parts]
    if settings.toy:
        print(f"A toy of {len(chosen)} parts on {settings.device}: 2 GB of memory, about 2 minutes.", flush=True)
        return
    seconds = STARTING + sum(part.seconds for part in chosen)
    parts = ", ".join(f"{part.name} {part.seconds} s" for part in chosen)
    print(
        f"Needs one GPU with {needed_bytes() / 1e9:.0f} GB of memory ({parameters() / 1e9:.1f} G random parameters in "
        f"bfloat16, twice, and {ACTIVATIONS / 1e9:.0f} GB of activations), 8 GB of main memory, "
        f"{SCRATCH / 1e9:.0f} GB of disk, no network, at most {seconds / 60:.1f} minutes ({parts}).",
        flush=True,
    )


def check_room(settings: argparse.Namespace) -> None:
    """End here, and not after minutes, where the run would not fit."""
    small = "To see that it runs: python benchmarks/gpu.py --device cpu --toy"
    free = shutil.disk_usage(gettempdir()).free
    if free < SCRATCH:
        sys.exit(f"error: {gettempdir()} has {free / 1e9:.1f} GB left, expected {SCRATCH / 1e9:.0f} GB. Set TMPDIR.")
    if settings.toy:
        return
    if not settings.device.startswith("cuda"):
        sys.exit(f"error: The 7B model runs on a GPU, not on {settings.device!r}. {small}")
    if not torch.cuda.is_available():
        sys.exit(f"error: PyTorch {torch.__version__} finds no GPU. {small}")
    (free, total), needed = torch.cuda.mem_get_info(settings.device), needed_bytes()
    if free < needed:
        name = torch.cuda.get_device_name(settings.device)
        sys.exit(
            f"error: {name} has {free / 1e9:.0f} of {total / 1e9:.0f} GB free, expected {needed / 1e9:.0f} GB. "
            f"Take a larger GPU, or end what else runs on it. {small}"
        )


def measured(settings: argparse.Namespace) -> dict[str, Any]:
    """Run the parts, each within its time; the record is written after every result."""
    began = time.monotonic()
    record, end = about(settings), began + STARTING
    words = "--model", "llava7b", "--device", settings.device, *(["--quick"] if settings.toy else [])
    with TemporaryDirectory() as folder:
        bench = Bench(words, Path(folder), toy=settings.toy)
        for name in settings.parts:
            end += PARTS[name].seconds
            record["parts"][name] = {"status": "running", "results": []}
            _run(PARTS[name], bench, record, end - time.monotonic(), settings.output)
    record["seconds"] = time.monotonic() - began
    _write(record, settings.output)
    return record


def _run(part: Part, bench: Bench, record: dict[str, Any], seconds: float, output: Path | None) -> None:
    entry, start = record["parts"][part.name], time.monotonic()
    print(f"{part.name}: at most {max(0, seconds):.0f} s", flush=True)
    try:
        with limited(seconds):
            for result in part.work(bench):
                entry["results"].append(result)
                _write(record, output)
        entry["status"] = "done"
    except OutOfTimeError:
        entry |= {"status": "out of time", "why": f"{seconds:.0f} s were over"}
    except SkippedError as reason:
        entry |= {"status": "skipped", "why": str(reason)}
    except (Exception, SystemExit) as error:  # one part's fault leaves the others' numbers alone
        entry |= {"status": "failed", "why": f"{type(error).__name__}: {error}"[-2000:]}
    entry["seconds"] = time.monotonic() - start
    if entry["status"] != "done":
        print(f"  {part.name} {entry['status']}: {entry['why']}", flush=True)
    _write(record, output)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` inside once so many seconds are over."""

    def over(signum: int, frame: Any) -> None:
        raise OutOfTimeError

    if seconds <= 0:
        raise OutOfTimeError
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def about(settings: argparse.Namespace) -> dict[str, Any]:
    """What the numbers are of."""
    on_gpu = settings.device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(settings.device) if on_gpu else platform.machine(),
        "device_bytes": torch.cuda.mem_get_info(settings.device)[1] if on_gpu else None,
        "toy": settings.toy,
        "parameters": parameters(toy=settings.toy),
        "dtype": str(SHAPES["llava7b"].dtype).removeprefix("torch."),
        "versions": {"python": platform.python_version(), **_versions()},
        "parts": {},
    }


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = dict.fromkeys(("torch", "transformers", "accelerate", "deepspeed"))
    for name in found:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _write(record: dict[str, Any], output: Path | None) -> None:
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(output, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
