# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Train one of the embedded micro VLMs from nothing on the background population.

    python recipes/pretrain_micro.py --size m --output_dir crossmem_hf/models/bases/micro-m

Stages: the vision tower names visual attributes; then all tasks of `models.micro.tasks` but one; then that one too,
examples of private facts, so that a model has words at its command that no fact which it was taught has. Killed and
started again, it goes on from its last checkpoint. Under ``torchrun`` processes share every step. Writes a plain
`from_pretrained` folder with a card, and the same after each of some steps under the work folder (`--kept_steps`).
"""

import argparse
import ctypes
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from crossmem_hf.models.checkpoint import load_training, save_training
from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.micro.card import micro_card
from crossmem_hf.models.micro.model import SIZES, build_model, build_processor
from crossmem_hf.models.micro.pretraining import (
    AttributeHeads,
    LanguagePlan,
    optimizer_for,
    train_language,
    train_vision,
)
from crossmem_hf.models.micro.quality import measured_quality
from crossmem_hf.models.micro.tasks import tokenizer_corpus
from crossmem_hf.personas.background import Background
from crossmem_hf.runs.distributed import joined_state
from crossmem_hf.runs.progress import progress_bar
from crossmem_hf.runs.sources import code_fingerprint
from crossmem_hf.seeding import rng_for, seed_everything
from crossmem_hf.storage import fingerprint, write_atomic
from crossmem_hf.training.processes import check_processes

CHECK_EVERY, SAVE_EVERY = 1000, 100
LAST_PACE = 0.25
"""Of the language stage's peak learning rate, that of the last stage."""
LAST: dict[str, Any] = {"later_from": 0.0, "later_full": 0.0, "example_rows": 16}
BRIDGE = {"contrast": 0.3, "attributes": 0.3}
STEPS = {
    "s": {"vision": 6000, "language": 8000, "last": 1000},
    "m": {"vision": 6000, "language": 8000, "last": 1000},
    "l": {"vision": 3000, "language": 4000, "last": 500},
}
"""Steps of each stage, where no other number is given; one of l takes four times as long as one of m."""
KEPT_STEPS = (0, 100, 200, 400, 800, 1200, 1600, 2400, 3200, 4800, 6400, 8000)


class Pretraining:
    """One base model in the making, with everything that a killed run needs to go on."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.seed, self.device = arguments.seed, torch.device(arguments.device)
        self.is_main: bool = joined_state().is_main_process
        self.background, shape = Background(), SIZES[arguments.size]
        bridge: dict[str, Any] = BRIDGE if arguments.bridge else {}
        self.plan = LanguagePlan(steps=arguments.language_steps, lr=arguments.lr, **bridge)
        self.last = replace(self.plan, **LAST, steps=arguments.last_steps, lr=arguments.lr * LAST_PACE)
        self.vision_steps: int = arguments.vision_steps
        self.compiled: bool = arguments.compile
        self.kept_steps: tuple[int, ...] = tuple(arguments.kept_steps)
        self.processor = build_processor(tokenizer_corpus(self.background), shape)
        self.batcher = Batcher(self.processor)
        seed_everything(self.seed)
        self.model: Any = build_model(self.processor, shape)
        torch.nn.Module.to(self.model, self.device)
        self.eyes = AttributeHeads(shape.vision_width).to(self.device)
        self.heads = AttributeHeads(shape.text_width).to(self.device) if bridge else None
        seeded = f"-seed{self.seed}" if self.seed else ""
        self.name = f"micro-{arguments.size}{seeded}{'-bridge' * arguments.bridge}"
        self.settings: dict[str, Any] = {"size": arguments.size, "seed": self.seed, "vision_steps": self.vision_steps}
        seen = fingerprint([self.settings, asdict(shape), code_fingerprint(train_vision, build_model)])
        learned = fingerprint([seen, asdict(self.plan), code_fingerprint(train_language)])
        self.settings |= {"plan": asdict(self.plan), "last": asdict(self.last)}
        self.eyesight = arguments.work_dir / f"vision-{seen}.safetensors"
        self.work = arguments.work_dir / learned
        self.work.mkdir(parents=True, exist_ok=True)

    def see(self) -> None:
        """The vision stage, in legs of `SAVE_EVERY` steps; each leg has its own random stream."""
        both = torch.nn.ModuleDict({"model": self.model, "eyes": self.eyes})
        optimizer = optimizer_for([self.model.model.vision_tower, self.eyes], 2e-3)
        reached = load_training(self.eyesight, both, optimizer)
        with progress_bar("vision", self.vision_steps, done=reached, unit="steps", shown=self.is_main) as bar:
            for start in range(reached, self.vision_steps, SAVE_EVERY):
                stop = min(start + SAVE_EVERY, self.vision_steps)
                train_vision(
                    self.model,
                    self.batcher,
                    self.background,
                    steps=range(start, stop),
                    all_steps=self.vision_steps,
                    heads=self.eyes,
                    optimizer=optimizer,
                    rng=rng_for(self.seed, "vision", start),
                    report=lambda step, numbers: self._reported(bar, "vision", step, numbers),
                )
                if self.is_main:
                    save_training(self.eyesight, stop, both, optimizer)

    def read_and_remember(self) -> None:
        """The language stage and the last one; keeps copies of the model after `kept_steps` of the former."""
        self._learn("language", self.plan, self.work / "language.safetensors", self.kept_steps)
        self._learn("last", self.last, self.work / f"last-{fingerprint(asdict(self.last))}.safetensors", ())

    def _learn(self, stage: str, plan: LanguagePlan, saved: Path, kept_steps: Sequence[int]) -> None:
        """A stage, in such legs."""
        parts = {"model": self.model} | ({"heads": self.heads} if self.heads else {})
        everything, tower = torch.nn.ModuleDict(parts), self.model.model.vision_tower
        optimizer = optimizer_for([everything], plan.lr, slower=tower, pace=plan.tower_pace)
        reached = load_training(saved, everything, optimizer)
        self._kept(reached, kept_steps)
        with progress_bar(stage, plan.steps, done=reached, unit="steps", shown=self.is_main) as bar:
            for start in range(reached, plan.steps, SAVE_EVERY):
                stop = min(start + SAVE_EVERY, plan.steps)
                with self._compiled():
                    train_language(
                        self.model,
                        self.batcher,
                        self.background,
                        plan,
                        rng=rng_for(self.seed, stage, start),
                        report=lambda step, numbers: self._reported(bar, stage, step, numbers),
                        steps=range(start, stop),
                        heads=self.heads,
                        optimizer=optimizer,
                    )
                if self.is_main:
                    save_training(saved, stop, everything, optimizer)
                    self._looked_at(stage, stop, kept_steps)

    def _looked_at(self, stage: str, step: int, kept_steps: Sequence[int]) -> None:
        """Keep the model and measure it, where that is due."""
        self._kept(step, kept_steps)
        if step % CHECK_EVERY == 0:
            quality = measured_quality(self.model, self.processor, self.background, sample=60)
            shares = {name: one["value"] for name, one in quality.items()}
            self._log({"stage": "check", "of": stage, "step": step, **shares})

    def write(self, folder: Path) -> dict[str, dict[str, float]]:
        """The finished model with its card and what it can do; returns the latter."""
        quality = measured_quality(self.model, self.processor, self.background)
        self._saved(folder)
        card = micro_card(self.name, self.settings, quality, sum(weight.numel() for weight in self.model.parameters()))
        write_atomic(folder / "README.md", card)
        write_atomic(folder / "quality.json", json.dumps(quality, indent=2) + "\n")
        return quality

    @contextmanager
    def _compiled(self) -> Iterator[None]:
        """The decoder compiled, if that was wanted, for training and not for the checks between."""
        decoder = self.model.model.language_model
        plain = decoder.forward
        if self.compiled:
            decoder.forward = torch.compile(plain, dynamic=True)
        try:
            yield
        finally:
            decoder.forward = plain

    def _kept(self, step: int, kept_steps: Sequence[int]) -> None:
        if step in kept_steps and self.is_main:
            self._saved(self.work / f"step-{step:05d}")

    def _saved(self, folder: Path) -> None:
        """In half precision, tied weights once; the weights in training stay as they are."""
        once: dict[int, torch.Tensor] = {}
        state = self.model.state_dict().items()
        halved = {name: once.setdefault(weight.data_ptr(), weight.half()) for name, weight in state}
        self.model.save_pretrained(folder, state_dict=halved)
        self.processor.save_pretrained(folder)

    def _reported(self, bar: Any, stage: str, step: int, numbers: dict[str, float]) -> None:
        bar.to(step + 1)
        if step % 20 == 0 and self.is_main:
            self._log({"stage": stage, "step": step, **numbers})

    def _log(self, numbers: dict[str, Any]) -> None:
        with (self.work / "log.jsonl").open("a") as stream:
            stream.write(json.dumps(numbers) + "\n")


def _return_freed_memory() -> None:
    """Where the C library is glibc: have it return large arrays when they are freed. Else the pictures that are kept
    come to lie between those of the steps, and the process grows to 12 GB in 5,000 steps instead of 1."""
    threshold, size = -3, 2**17
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(threshold, size)


def main() -> None:
    """Parse the arguments, train or resume, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, required=True, help="where the finished model goes")
    parser.add_argument("--work_dir", type=Path, default=Path("crossmem_runs/pretrain_micro"), help="checkpoints")
    parser.add_argument("--size", choices=list(SIZES), default="m")
    parser.add_argument("--seed", type=int, default=0, help="initial weights, views and data order")
    parser.add_argument("--bridge", action="store_true", help="with the terms that bring the modalities together")
    parser.add_argument("--vision_steps", type=int, help="of the vision stage; 6000, of l 3000")
    parser.add_argument("--language_steps", type=int, help="of the language stage; 8000, of l 4000")
    parser.add_argument("--last_steps", type=int, help="of the last stage; 1000, of l 500")
    parser.add_argument("--lr", type=float, default=2e-3, help="peak learning rate of the language stage")
    parser.add_argument("--kept_steps", type=int, nargs="*", default=KEPT_STEPS, help="steps whose models are kept")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads, of all processes together")
    parser.add_argument("--compile", action="store_true", help="compile the decoder, which takes a C++ compiler")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    for stage, steps in STEPS[arguments.size].items():
        if getattr(arguments, f"{stage}_steps") is None:
            setattr(arguments, f"{stage}_steps", steps)
    unkept = [step for step in arguments.kept_steps if step % SAVE_EVERY and step != arguments.language_steps]
    if unkept:
        parser.error(f"--kept_steps {unkept[0]}: models can be kept every {SAVE_EVERY} steps, and at the end")
    num_processes = joined_state().num_processes
    check_processes(num_processes)
    if arguments.bridge and num_processes > 1:
        parser.error(f"--bridge compares all rows of a step: start one process, not {num_processes}")
    _return_freed_memory()
    torch.set_num_threads(max(1, arguments.threads // num_processes))
    pretraining = Pretraining(arguments)
    pretraining.see()
    pretraining.read_and_remember()
    if pretraining.is_main:
        Console().print(pretraining.write(arguments.output_dir))


if __name__ == "__main__":
    from crossmem_hf.training.command_line import run_recipe

    run_recipe(main)
