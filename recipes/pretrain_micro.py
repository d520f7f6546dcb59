# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Train the embedded micro VLM from nothing on the background population (about an hour of one core, once).

    python recipes/pretrain_micro.py --output_dir crossmem_hf/models/micro_base

Stages: the vision tower names visual attributes; then features and background names from portraits and descriptions.
Killed and started again, it goes on from its last checkpoint: after the vision stage, then every 100 steps.
Writes a plain `from_pretrained` folder with a card.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from crossmem_hf.models.checkpoint import load_training, save_training
from crossmem_hf.models.micro.card import micro_card
from crossmem_hf.models.micro.model import MicroShape, build_model, build_processor
from crossmem_hf.models.micro.pretraining import (
    AttributeHeads,
    LanguagePlan,
    optimizer_for,
    tokenizer_corpus,
    train_language,
    train_vision,
)
from crossmem_hf.models.micro.quality import measured_quality
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.runs.progress import progress_bar
from crossmem_hf.runs.sources import code_fingerprint
from crossmem_hf.seeding import rng_for, seed_everything
from crossmem_hf.storage import fingerprint, write_atomic

SEEN, HELD_OUT, NAMED = 9_000, 400, 500
CHECK_EVERY, SAVE_EVERY = 250, 100


def main() -> None:
    """Parse the arguments, train or resume, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, required=True, help="where the finished model goes")
    parser.add_argument("--work_dir", type=Path, default=Path("crossmem_runs/pretrain_micro"), help="checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="background world, initial weights and data order")
    parser.add_argument("--vision_steps", type=int, default=2000)
    parser.add_argument("--language_steps", type=int, default=5000)
    parser.add_argument("--contrast", type=float, default=0.3, help="weight of the contrastive term")
    parser.add_argument("--attributes", type=float, default=0.3, help="weight of attributes read off answer states")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    personas = list(sample_personas(SEEN + HELD_OUT, arguments.seed, "background"))
    seen, held_out, named = personas[:SEEN], personas[SEEN:], personas[:NAMED]
    shape = MicroShape()
    seed_everything(arguments.seed)
    processor = build_processor(tokenizer_corpus(personas[:300]), shape)
    model = build_model(processor, shape)
    eyes, heads = AttributeHeads(shape.vision_width), AttributeHeads(shape.text_width)
    plan = LanguagePlan(steps=arguments.language_steps, contrast=arguments.contrast, attributes=arguments.attributes)
    counted = {"seed": arguments.seed, "vision_steps": arguments.vision_steps, "seen": SEEN, "named": NAMED}
    settings = {**counted, "plan": asdict(plan)}
    code = code_fingerprint(sample_personas, build_model, train_vision, seed_everything)
    work = arguments.work_dir / fingerprint([settings, asdict(shape), code])
    work.mkdir(parents=True, exist_ok=True)

    _vision(model, processor, eyes, seen, arguments, work)
    both = torch.nn.ModuleDict({"model": model, "heads": heads})
    _language(both, processor, seen, named, held_out, plan, arguments.seed, work)

    quality = measured_quality(model, processor, held_out, named, views=3)
    model.save_pretrained(arguments.output_dir)
    processor.save_pretrained(arguments.output_dir)
    card = micro_card(settings, quality, sum(weight.numel() for weight in model.parameters()))
    write_atomic(arguments.output_dir / "README.md", card)
    write_atomic(arguments.output_dir / "quality.json", json.dumps(quality, indent=2) + "\n")
    Console().print(quality)


def _vision(
    model: Any, processor: Any, heads: AttributeHeads, seen: list[Any], arguments: argparse.Namespace, work: Path
) -> None:
    saved = work / "vision.safetensors"
    if load_training(saved, model, None):
        return
    with progress_bar("vision", arguments.vision_steps, unit="steps") as bar:

        def report(step: int, numbers: dict[str, float]) -> None:
            bar.to(step + 1)
            if step % 50 == 0:
                _log(work, {"stage": "vision", "step": step, **numbers})

        rng = rng_for(arguments.seed, "vision")
        train_vision(model, processor, seen, steps=arguments.vision_steps, heads=heads, rng=rng, report=report)
    save_training(saved, arguments.vision_steps, model, None)


def _language(
    both: torch.nn.ModuleDict,
    processor: Any,
    seen: list[Any],
    named: list[Any],
    held_out: list[Any],
    plan: LanguagePlan,
    seed: int,
    work: Path,
) -> None:
    """The language stage in legs of `SAVE_EVERY` steps; each leg has its own random stream, so it can be resumed."""
    saved = work / "language.safetensors"
    model: Any = both["model"]
    heads: Any = both["heads"]
    optimizer = optimizer_for([both], plan.lr)
    reached = load_training(saved, both, optimizer)
    with progress_bar("language", plan.steps, done=reached, unit="steps") as bar:

        def report(step: int, numbers: dict[str, float]) -> None:
            bar.to(step + 1)
            if step % 20 == 0:
                _log(work, {"stage": "language", "step": step, **numbers})

        for start in range(reached, plan.steps, SAVE_EVERY):
            stop = min(start + SAVE_EVERY, plan.steps)
            rng = rng_for(seed, "language", start)
            train_language(
                model,
                processor,
                seen,
                named,
                plan,
                rng=rng,
                report=report,
                steps=range(start, stop),
                heads=heads,
                optimizer=optimizer,
            )
            save_training(saved, stop, both, optimizer)
            if stop % CHECK_EVERY == 0:
                quality = measured_quality(model, processor, held_out[:100], named[:100], views=1)
                _log(work, {"stage": "check", "step": stop, **{name: part["value"] for name, part in quality.items()}})


def _log(work: Path, numbers: dict[str, Any]) -> None:
    with (work / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    main()
