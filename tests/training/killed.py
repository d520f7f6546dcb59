# SPDX-License-Identifier: Apache-2.0
"""Run as a program: unlearns in child processes that are killed with SIGKILL at the points named, one folder each.

python -m tests.training.killed FOLDER npo-nll-after-3 dpo-kl-saving-8
"""

import os
import signal
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import Trainer, TrainerCallback

from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.runs.distributed import leave
from crossmem_hf.training.unlearn import unlearn
from tests.training import tiny

# 5 forget rows in micro-batches of 1, 2 to a step: 3 steps an epoch, the last of one row; 11 steps end mid-epoch.
SETTINGS = {
    "max_steps": 11,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 2,
    "learning_rate": 1e-2,
    "lr_scheduler_type": "linear",
    "logging_steps": 1,
    "save_strategy": "steps",
    "save_steps": 2,
    "disable_tqdm": True,
    "report_to": "none",
}


def memorized():
    """A model with an adapter that does something, and with dropout, so that random numbers matter."""
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.2, target_modules=LANGUAGE_LINEARS)
    adapted = get_peft_model(tiny.model(), lora)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return adapted


def run(folder, forget_loss="npo", retain_loss="nll", callbacks=(), model=None, **changes):
    """The adapter's weights after unlearning; 5 rows to forget, 6 to retain."""
    model = model or memorized()
    forget = tiny.rows("p0", "p1", modality="mixed", views=3).select(range(5))
    retain = tiny.rows("p2", "p3", modality="mixed", views=3)
    choices = SETTINGS | {"forget_loss": forget_loss, "retain_loss": retain_loss} | changes
    unlearn(model, tiny.processor(), forget, retain, output_dir=folder, callbacks=callbacks, **choices)
    return tiny.weights(model)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAfter(TrainerCallback):
    """Kills the process within the step after `step`, when half of its rows have been seen."""

    def __init__(self, step):
        self.step = step

    def on_substep_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            die()


def run_and_die(folder: Path, forget_loss: str, retain_loss: str, when: str, step: str) -> None:
    if when == "after":
        run(folder, forget_loss, retain_loss, callbacks=[DieAfter(int(step))])
    name = {"saving": "_save_optimizer_and_scheduler", "closing": "_save_rng_state"}[when]
    written = getattr(Trainer, name)

    def half_written(self, output_dir):
        if self.state.global_step == int(step):
            die()
        written(self, output_dir)

    setattr(Trainer, name, half_written)
    run(folder, forget_loss, retain_loss)


def main(folder: Path, *points: str) -> None:
    for point in points:
        child = os.fork()  # before any work, so that no thread is lost
        if not child:
            run_and_die(folder / point, *point.split("-"))
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"the run was to be killed at {point}; it ended with status {status}"
        assert os.WTERMSIG(status) == signal.SIGKILL, f"killed by signal {os.WTERMSIG(status)}"


def together(folder: Path, point: str, again: str = "") -> None:
    losses = point.split("-")[:2]
    if not again:
        if os.environ["RANK"] == "0":
            run_and_die(folder / point, *point.split("-"))
        run(folder / point, *losses)
    resumed = run(folder / point, *losses, resume_from_checkpoint="last")
    whole = run(folder / "whole", *losses)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole), "resumed, the adapter is another"
    leave()


if __name__ == "__main__":
    program = together if "WORLD_SIZE" in os.environ else main
    program(Path(sys.argv[1]), *sys.argv[2:])
