# SPDX-License-Identifier: Apache-2.0
"""A step of NPO with a retain loss, against GD, against NPO with two models as peers write it, and against plain SFT.

    python benchmarks/unlearn_step.py --output unlearn_step.json     # 100 M parameters, 576 image tokens, 8 minutes
    python benchmarks/unlearn_step.py --quick
    python benchmarks/unlearn_step.py --model llava7b --batch_size 4 --num_rows 16 --memory    # peaks, on a GPU
    accelerate launch --config_file recipes/accelerate/fsdp2.yaml benchmarks/unlearn_step.py --sharded --output a.json

All sides take the same rows from the same weights, an epoch at a time, and take turns in going first. GD is the floor:
the same trained passes without a reference. Before seconds count, the losses of all steps and the first gradient must
be those of the other side as far as the two share them, or the run fails. What NPO's reference costs is a row of its
own, for it is paid once and not in each step.
"""

import argparse
import gc
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from arena import Arena
from contest import TOLERANCES, Run, base_parser, compared, complete, entered, finished, judged, timed
from datasets import Dataset
from unlearn_sides import SIDES, Side, adapted, persona_rows, side_of, twin

from crossmem_hf.storage import write_atomic
from crossmem_hf.training.reference_cache import kept_logprobs

Result = dict[str, Any]
Rows = tuple[Dataset, Dataset]
CARD_BYTES = 40 * 10**9
EPOCHS = 5  # ReMem's, to say what the reference adds to a whole run


def main() -> None:
    settings = parsed()
    arena = entered(settings)
    model, rows = adapted(arena), persona_rows(arena, settings.modality, settings.num_rows)
    with TemporaryDirectory() as folder:
        settings.folder = Path(folder)
        if settings.sharded:
            write_atomic(settings.output, json.dumps(sharded(arena, model, rows), indent=2) + "\n")
            return
        if settings.memory:
            results = peaks(arena, model, rows)
        else:
            ways = {"off": [False], "on": [True], "both": [False, True]}[settings.checkpointing]
            results = [result for way in ways for result in steps(arena, model, rows, checkpointing=way)]
    finished(arena, results)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The settings, complete; by default of the command line."""
    parser = base_parser(__doc__ or "")
    parser.set_defaults(repeats=5)
    parser.add_argument("--batch_size", type=int, default=1, help="rows to forget in a step, and as many to keep")
    parser.add_argument("--num_rows", type=int, default=2, help="rows to forget in an epoch, and as many to keep")
    parser.add_argument("--modality", choices=("image", "text", "both"), default="image")
    parser.add_argument("--lora_r", type=int, default=16)
    parser.add_argument("--checkpointing", choices=("off", "on", "both"), default="both")
    parser.add_argument("--memory", action="store_true", help="one epoch with checkpointing, for the peaks alone")
    parser.add_argument("--sharded", action="store_true", help="one epoch of NPO alone, for accelerate launch")
    settings = complete(parser.parse_args(arguments))
    if settings.num_rows % settings.batch_size:
        parser.error("--num_rows must be a multiple of --batch_size, or the last step would be a smaller one")
    if settings.sharded and settings.output is None:
        parser.error("--sharded shows nothing; expected --output FILE for its numbers")
    return settings


def steps(arena: Arena, model: Any, rows: Rows, *, checkpointing: bool) -> list[Result]:
    """Every contest, with activations kept or recomputed; what does not depend on that only where they are kept."""
    sides = {name: side_of(name, arena, twin(model), rows, checkpointing=checkpointing) for name in SIDES}
    runs = in_turns(sides, arena.settings.repeats)
    how = ", checkpointing" if checkpointing else ""
    case = f"NPO + retain, {arena.settings.batch_size} + {arena.settings.batch_size} rows a step{how}"
    against: list[tuple[str, str, float | None]] = [
        ("gd", "GD, the floor", 1.1),
        ("two models", "NPO with two models", 0.7),
        ("sft", "SFT, as many rows", None),
    ]
    results = [stepped(arena, case, words, (sides, runs), name, target) for name, words, target in against]
    if not checkpointing:
        results += [weights(sides), reference_pass(arena, sides, runs)]
    return results


def in_turns(sides: dict[str, Side], repeats: int) -> dict[str, list[Run]]:
    """So many epochs of each side; in each round the next one goes first."""
    names, runs = list(sides), {name: [] for name in sides}
    sides[names[0]].run()  # first calls, and the reference's answers, are nobody's step
    for turn in range(repeats):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            runs[name].append(sides[name].run())
        said = ", ".join(f"{name} {done[-1].seconds:.3g} s" for name, done in runs.items())
        print(f"  round {turn + 1} of {repeats}: {said}", flush=True)
    return runs


def stepped(
    arena: Arena,
    case: str,
    words: str,
    raced: tuple[dict[str, Side], dict[str, list[Run]]],
    name: str,
    target: float | None,
) -> Result:
    """Ours against one of the others."""
    sides, runs = raced
    ours, theirs = runs["npo"], runs[name]
    tolerance = TOLERANCES[arena.shape.dtype]
    difference = apart(sides["npo"], sides[name], name)
    if not difference <= tolerance:
        raise SystemExit(f"NPO and {name} differ by {difference} (at most {tolerance}); a ratio would mean nothing.")
    rounds = [our.seconds / their.seconds for our, their in zip(ours, theirs, strict=True)]
    ranges = {
        "rounds": len(rounds),
        "round_ratios": rounds,
        "ours_relative_range": relative_range(ours),
        "opponent_relative_range": relative_range(theirs),
        "losses": {"ours": sides["npo"].clock.losses, "opponent": sides[name].clock.losses},
    }
    note = f"single rounds {min(rounds):.2f} to {max(rounds):.2f}"
    return (
        judged(case, words, compared(ours, theirs, difference, tolerance), target, lower_is_better=True, note=note)
        | ranges
    )


def relative_range(runs: list[Run]) -> float:
    """From the fastest run to the slowest, as a share of the median."""
    seconds = [run.seconds for run in runs]
    return (max(seconds) - min(seconds)) / median(seconds)


def apart(ours: Side, theirs: Side, name: str) -> float:
    """The largest difference in what two sides must agree on, as a share of it, or as it is where it is below 1.

    Two models: the losses of all steps, and the first gradient. GD: the first retain loss, and the first gradient,
    which is NPO's as long as the policy is the reference. SFT: the first loss, a mean over the tokens of all rows.
    """
    first, other = ours.clock.first, theirs.clock.first
    if name == "two models":
        pairs = list(zip(ours.clock.losses, theirs.clock.losses, strict=True))
    elif name == "gd":
        pairs = [(first["retain_loss"], other["retain_loss"])]
    else:
        number = ours.trainer.args.per_device_train_batch_size
        labels = [theirs.trainer.data_collator.rows[row]["labels"] for row in range(2 * number)]
        tokens = sum(int((label != -100).sum()) for label in labels)
        pairs = [(-number * (first["forget_logprob"] + first["retain_logprob"]) / tokens, other["loss"])]
    if name != "sft":
        pairs.append((first["grad_norm"], other["grad_norm"]))
    differences = [abs(our - their) / max(1.0, abs(their)) for our, their in pairs]
    return max(differences, key=lambda value: (value != value, value))  # NaN is the largest


def in_bytes(case: str, words: str, ours: float, theirs: float, target: float | None, note: str) -> Result:
    """A contest of memory, which has no seconds."""
    seconds = (f"{side}_{clock}" for side in ("ours", "opponent") for clock in ("seconds", "wall_seconds"))
    nothing = dict.fromkeys((*seconds, "wall_ratio", "difference", "tolerance", "num_runs"))
    result: Result = {"ratio": theirs / ours, "ours_peak_bytes": ours, "opponent_peak_bytes": theirs}
    result["runs"] = {"ours": [], "opponent": []}
    return judged(case, words, nothing | result, target, lower_is_better=True, note=note)


def weights(sides: dict[str, Side]) -> Result:
    """Weights, and copies of weights, that both need in memory; no optimizer, gradients or activations."""
    ours, theirs = sides["npo"].weight_bytes(), sides["two models"].weight_bytes()
    note = f"GD {sides['gd'].weight_bytes() / 2**30:.2f}, SFT {sides['sft'].weight_bytes() / 2**30:.2f} GiB"
    return in_bytes("memory of weights", "NPO with two models", ours, theirs, 0.55, note)


def reference_pass(arena: Arena, sides: dict[str, Side], runs: dict[str, list[Run]]) -> Result:
    """What NPO's reference costs once, against what the two-model side takes longer in an epoch."""
    settings, trainer, once = arena.settings, sides["npo"].trainer, []
    queried = partial(kept_logprobs, trainer.model, trainer.rows["forget"], batch_size=settings.batch_size)
    for turn in range(settings.repeats):
        folder = settings.folder / f"pass_{turn}"
        once.append(timed(partial(queried, folder=folder, fused=trainer._fused), settings.device)[1])
    again = timed(partial(queried, folder=folder, fused=trainer._fused), settings.device)[1]
    number = settings.num_rows // settings.batch_size
    extra = [
        Run(
            seconds=number * (their.seconds - our.seconds),
            wall_seconds=number * (their.wall_seconds - our.wall_seconds),
            peak_bytes=None,
        )
        for our, their in zip(runs["npo"], runs["two models"], strict=True)
    ]
    result: Result = compared(once, extra, 0.0, 0.0) | {"difference": None, "tolerance": None}
    epochs = result["ours_seconds"] / result["opponent_seconds"]
    medians = {name: median(run.seconds for run in runs[name]) for name in ("npo", "gd")}
    whole = (EPOCHS * number * medians["npo"] + result["ours_seconds"]) / (EPOCHS * number * medians["gd"])
    note = f"paid back after {epochs:.2f} epochs; with it {EPOCHS} epochs of NPO take {whole:.2f} of GD; "
    note += f"read again {again.seconds:.2g} s"
    case = f"reference pass over {settings.num_rows} rows, once"
    words = "what two models add in an epoch"
    more = {"epochs_to_pay_back": epochs, "epochs": EPOCHS, "run_to_gd": whole, "read_again_seconds": again.seconds}
    return judged(case, words, result, None, lower_is_better=True, note=note) | more


def peaks(arena: Arena, model: Any, rows: Rows) -> list[Result]:
    """The most memory in a step of ours and of the two-model side, each alone on the device, with checkpointing."""
    settings = arena.settings
    ours, peak = alone("npo", arena, model, rows)
    case = f"peak of NPO + retain, {settings.batch_size} + {settings.batch_size} rows a step, checkpointing"
    note = f"weights, adapters and copies {ours / 2**30:.2f} GiB"
    results = [] if peak is None else [in_bytes(case, "a card of 40 GB", peak, CARD_BYTES, 1.0, note)]
    try:
        theirs, their_peak = alone("two models", arena, model, rows)
    except torch.OutOfMemoryError:
        print("  two models do not fit", flush=True)
        return results
    if peak is not None and their_peak is not None:
        results.append(in_bytes(case, "NPO with two models", peak, their_peak, None, note))
    return [*results, in_bytes("memory of weights", "NPO with two models", ours, theirs, 0.55, "")]


def alone(name: str, arena: Arena, model: Any, rows: Rows) -> tuple[int, int | None]:
    """Bytes of a side's weights, and the most that were taken on the GPU, with the base model."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    side = side_of(name, arena, twin(model), rows, checkpointing=True)
    run = side.run()
    peak = None if run.peak_bytes is None else side.clock.before + run.peak_bytes
    print(f"  {name}: peak {'not measured without a GPU' if peak is None else f'{peak:,} bytes'}", flush=True)
    return side.weight_bytes(), peak


def sharded(arena: Arena, model: Any, rows: Rows) -> Result:
    """Our steps in whatever way of spreading weights `accelerate launch` has set up, first step included."""
    side = side_of("npo", arena, model, rows, checkpointing=True)
    run, trainer = side.run(), side.trainer
    return {
        "distributed_type": str(trainer.accelerator.distributed_type.value),
        "sharded": trainer.is_sharded,
        "steps": trainer.state.global_step,
        "rows_a_step": 2 * arena.settings.batch_size,
        "seconds_a_step": run.seconds,
        "num_runs": 1,
        "losses": side.clock.losses,
        "peak_bytes": None if run.peak_bytes is None else side.clock.before + run.peak_bytes,
    }


if __name__ == "__main__":
    main()
