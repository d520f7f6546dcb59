# SPDX-License-Identifier: Apache-2.0
"""The parts of `gpu`, each a benchmark of its own or a way to launch one. It knows no clock and writes nothing."""

import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import generation
import scoring
import torch
import unlearn_step
from arena import Arena
from contest import entered
from unlearn_sides import adapted, persona_rows

HERE = Path(__file__).resolve().parent
CONFIGS = HERE.parent / "recipes" / "accelerate"
Results = Iterator[dict[str, Any]]


class SkippedError(Exception):
    """A part that cannot run here, and why."""


class Bench:
    """What the parts share: a model, made when the first one needs it, with an adapter once one needs that."""

    def __init__(self, words: tuple[str, ...], folder: Path, *, toy: bool) -> None:
        self.words, self.folder, self.toy = words, folder, toy
        self._arena: Arena | None = None
        self._adapted: Any = None

    def arena(self, benchmark: Any, full: str, toy: str) -> Arena:
        """The model, with the settings that a benchmark makes of these options."""
        settings = benchmark.parsed([*self.words, *(toy if self.toy else full).split()])
        settings.folder = self.folder
        if self._arena is None:
            self._arena = entered(settings)
        return replace(self._arena, settings=settings)

    def adapted(self, arena: Arena) -> Any:
        """The model with an adapter, which it has from now on in every part."""
        self._adapted = adapted(arena) if self._adapted is None else self._adapted
        return self._adapted

    def release(self) -> None:
        """Leave the device to other processes."""
        self._arena = self._adapted = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def scoring_part(bench: Bench) -> Results:
    """The scoring table, without growth."""
    arena = bench.arena(
        scoring,
        "--repeats 3 --num_rows 32 --opponent_questions 4",
        "--repeats 1 --num_rows 4 --opponent_questions 1",
    )
    scoring.estimate(arena)  # first calls are nobody's time
    for case in ("k20", "k100", "floor", "questions", "metrics"):
        yield from scoring.CASES[case](arena)


def generation_part(bench: Bench) -> Results:
    """Answers to questions about pictures."""
    full, toy = "--repeats 3 --num_pictures 8", "--repeats 1 --num_pictures 2 --questions 2 --max_new_tokens 4"
    yield generation.measured(bench.arena(generation, full, toy))


def steps_part(bench: Bench) -> Results:
    """A step of NPO against GD, two models and SFT: small batches with activations kept, larger ones recomputed."""
    for checkpointing, full in ((False, "--batch_size 1 --num_rows 4"), (True, "--batch_size 4 --num_rows 16")):
        arena = bench.arena(unlearn_step, f"{full} --repeats 3", "--batch_size 2 --num_rows 4 --repeats 1")
        rows = persona_rows(arena, "image", arena.settings.num_rows)
        yield from unlearn_step.steps(arena, bench.adapted(arena), rows, checkpointing=checkpointing)


def memory_part(bench: Bench) -> Results:
    """The most memory of a step, ours and with two models, each alone on the device."""
    arena = bench.arena(unlearn_step, "--batch_size 4 --num_rows 8", "--batch_size 2 --num_rows 2")
    rows = persona_rows(arena, "image", arena.settings.num_rows)
    yield from unlearn_step.peaks(arena, bench.adapted(arena), rows)


def launched_part(config: str, bench: Bench) -> Results:
    """Steps of NPO in one process, spread as a config of recipes/accelerate says.

    Raises:
        SkippedError: DeepSpeed is not installed.
        RuntimeError: The process failed.
    """
    if config == "zero3" and importlib.util.find_spec("deepspeed") is None:
        raise SkippedError("deepspeed is not installed (pip install deepspeed)")
    bench.release()
    launcher = CONFIGS / f"{'cpu' if bench.toy else config}.yaml"
    output, log = bench.folder / f"{config}.json", bench.folder / f"{config}.log"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1"]
    command += ["--config_file", str(launcher), str(HERE / "unlearn_step.py"), *bench.words]
    command += ["--sharded", "--output", str(output)]
    command += ("--num_rows 2" if bench.toy else "--batch_size 4 --num_rows 16").split()
    if status := _waited(command, log):
        raise RuntimeError(f"{config} ended with {status}: {log.read_text(errors='replace')[-1500:]}")
    if bench.toy:
        print(f"  {config}: launched with cpu.yaml in its place, so nothing was spread", flush=True)
    yield json.loads(output.read_text()) | {"config": config}


def _waited(command: list[str], log: Path) -> int:
    """The exit status of a command; none of its processes is left, even if the wait is broken off."""
    with (
        log.open("w") as stream,
        subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True) as process,
    ):
        try:
            return process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part and its time.

    Attributes:
        seconds: Its share on an H100.
        work: Yields results as they come.
    """

    name: str
    seconds: int
    work: Callable[[Bench], Results]


_ALL = (
    Part(name="scoring", seconds=130, work=scoring_part),
    Part(name="generation", seconds=60, work=generation_part),
    Part(name="steps", seconds=90, work=steps_part),
    Part(name="memory", seconds=35, work=memory_part),
    Part(name="fsdp2", seconds=55, work=partial(launched_part, "fsdp2")),
    Part(name="zero3", seconds=60, work=partial(launched_part, "zero3")),
)
PARTS = {part.name: part for part in _ALL}
