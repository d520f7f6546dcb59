# SPDX-License-Identifier: Apache-2.0
"""Which checkpoint a killed run goes on from. It knows the files of a `transformers` checkpoint, not what trains."""

import json
import logging
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from crossmem_hf.errors import CrossmemError

logger = logging.getLogger(__name__)

LAST, NEVER = ("last", "true"), ("", "none", "null", "false")
EARLIER_STATE = "trainer_state.earlier.json"


def resume_point(args: TrainingArguments) -> str | None:
    """The checkpoint to hand to ``trainer.train(resume_from_checkpoint=...)``; None starts anew.

    ``args.resume_from_checkpoint`` is a checkpoint's folder, or ``"last"`` (or true) for the newest complete one in
    ``args.output_dir``, if there is any. The first process decides for all.

    Raises:
        CrossmemError: The folder named is no complete checkpoint; what it lacks is said.
    """
    wanted = str(args.resume_from_checkpoint or "")
    if wanted.lower() in NEVER:
        return None
    processes = args.world_size
    if wanted.lower() not in LAST:
        fault = incompleteness(Path(wanted), processes)
        if fault:
            raise CrossmemError(
                f"{wanted!r} is no checkpoint to go on from: {fault}.",
                "Name a complete checkpoint, or pass 'last' for the newest one in output_dir.",
            )
        return wanted
    chosen = [newest_complete(args.output_dir or ".", processes)]
    if PartialState().num_processes > 1:
        broadcast_object_list(chosen)
    if chosen[0] is None:
        logger.info("There is no complete checkpoint in %r; starting anew.", str(args.output_dir))
    else:
        logger.info("Going on from %r.", chosen[0])
    return chosen[0]


def newest_complete(folder: str | Path, processes: int = 1) -> str | None:
    """The complete checkpoint of most steps in `folder`, or None; half-written ones are passed over."""
    for _, path in sorted(_checkpoints(Path(folder)), reverse=True):
        fault = incompleteness(path, processes)
        if not fault:
            return str(path)
        logger.warning("Passing over %r: %s.", str(path), fault)
    return None


def incompleteness(checkpoint: Path, processes: int = 1) -> str:
    """What keeps a run of so many processes from going on from this folder; empty if nothing does.

    `transformers.Trainer` writes the weights, then optimizer, scheduler and random states, and ``trainer_state.json``
    last of all, without waiting for the random states of other processes. So it is complete when that file can be
    read, and the random states of all processes were closed.
    """
    if not checkpoint.is_dir():
        return "there is no such folder"
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text())["global_step"]
    except (OSError, ValueError, KeyError):
        return f"it has no whole {TRAINER_STATE_NAME}, which is written last"
    if not [*checkpoint.glob("optimizer*"), *checkpoint.glob("global_step*")]:
        return "it has no state of the optimizer"
    states = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    for name in states:
        if not zipfile.is_zipfile(checkpoint / name):
            return f"it has no whole {name}; a run must go on with as many processes as wrote it"
    return ""


class OwnCheckpoints(TrainerCallback):
    """Keeps a run's checkpoints apart from those that an earlier or killed run left in the same folder.

    When training begins, checkpoints of later steps than the one it begins at are not this run's. Their state files
    are set aside (as `EARLIER_STATE`), so that none is ever taken for complete while it is being written over, and
    scratch folders of a save that was killed are removed.

    Args:
        begun: Called with the step at which training begins, on every process.
    """

    def __init__(self, begun: Callable[[int], None] | None = None) -> None:
        self.begun = begun

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Disown what is not this run's."""
        if self.begun is not None:
            self.begun(state.global_step)
        if not args.should_save:
            return
        for step, path in _checkpoints(Path(args.output_dir or ".")):
            for scratch in path.glob(".saving-*"):
                shutil.rmtree(scratch, ignore_errors=True)
            if step > state.global_step and (path / TRAINER_STATE_NAME).exists():
                (path / TRAINER_STATE_NAME).replace(path / EARLIER_STATE)
                logger.info("%r was left by an earlier run and is not gone on from.", str(path))


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    numbered = [(path.name.removeprefix(f"{PREFIX_CHECKPOINT_DIR}-"), path) for path in folder.glob("checkpoint-*")]
    return [(int(step), path) for step, path in numbered if step.isdecimal() and path.is_dir()]
