# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun on two processes: trains with each pair of losses, evaluated, with a NaN, and from a checkpoint.

    torchrun --nproc_per_node 2 -m tests.training.two_processes FOLDER npo-nll rmu-hidden

Leaves ``FOLDER/npo-nll/losses.json`` and ``weights.safetensors``, and what each process said of the NaN.
"""

import json
import sys
from pathlib import Path

import torch
from datasets import concatenate_datasets
from safetensors.torch import save_file

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.runs.distributed import leave
from crossmem_hf.training.callbacks.dynamics import MemorizationDynamicsCallback
from crossmem_hf.training.callbacks.memorization import MemorizationCallback
from tests.training import knowing as toy
from tests.training import tiny

LOGGED = ("forget_loss", "retain_loss", "loss", "grad_norm")
POISONED = 5


def trained(folder: Path, losses: str, *, batch: int, poison: bool = False, resume: str | None = None, **choices):
    """The trainer after four steps of eight forget rows and eight retain rows, two steps an epoch."""
    forget_loss, retain_loss = losses.split("-")
    settings = {"max_steps": 4, "lr_scheduler_type": "linear", "optim": "sgd", "max_grad_norm": 0.0, "rmu_layer": 1}
    trainer = tiny.trainer_for(
        folder,
        forget=tiny.rows("p0", "p1", modality="mixed", views=8),
        retain=tiny.rows("p2", "p3", modality="mixed", views=8),
        per_device_train_batch_size=batch,
        forget_loss=forget_loss,
        retain_loss=retain_loss,
        reference_cache=str(folder / "reference"),
        **settings | {"learning_rate": 1e-3} | choices,
    )
    if poison:
        rows = trainer.rows["forget"]
        rows[POISONED]["pixel_values"].fill_(torch.nan)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def losses_of(trainer) -> list[dict[str, float]]:
    """What was logged, a dict a step."""
    return [
        {key: entry[key] for key in LOGGED if key in entry} for entry in trainer.state.log_history if "loss" in entry
    ]


def evaluated(folder: Path, *, batch: int) -> list[dict[str, float]]:
    """What was measured of a model that knew its four people, at every third of six steps."""
    model = toy.knowing(str(folder.parent))
    trainer = toy.forgetting(folder, model, max_steps=6, per_device_train_batch_size=batch, learning_rate=1e-3)
    options = {"metrics": ["recall", "exposure"], "candidates": toy.NAMES, "forgotten": ["p0", "p1"]}
    callback = MemorizationCallback(trainer, Evaluator(toy.EVERYBODY, **options), every_steps=3)
    trainer.add_callback(callback)
    trainer.train()
    return callback.history


def followed(folder: Path, *, batch: int, every: int = 1, resume: str | None = None) -> bytes:
    """The file of which rows were memorized, after each of eight steps or some."""
    model = toy.knowing(str(folder.parent))
    saving = {"save_strategy": "steps", "save_steps": 3, "per_device_eval_batch_size": 2}
    settings = {"max_steps": 8, "per_device_train_batch_size": batch, "learning_rate": 3e-2}
    trainer = toy.forgetting(folder, model, **settings | saving)
    rows = concatenate_datasets([toy.EVERYBODY, tiny.rows("p3", modality="text", views=2).select([1])])
    callback = MemorizationDynamicsCallback(trainer, rows, every_steps=every, columns=["persona_id"])
    trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=resume)
    return callback.path.read_bytes()


def main(folder: Path, *names: str) -> None:
    for losses in names:
        trainer = trained(folder / losses, losses, batch=4)
        assert trainer.accelerator.num_processes == 2, "torchrun started two"
        trainer.save_model()
        if trainer.is_world_process_zero():
            (folder / losses / "losses.json").write_text(json.dumps(losses_of(trainer)))
            save_file(tiny.weights(trainer.model), folder / losses / "weights.safetensors")
    rank = trainer.accelerator.process_index
    saving = {"save_strategy": "steps", "save_steps": 3, "optim": "adamw_torch"}
    whole = trained(folder / "resumed", "npo-kl", batch=4, **saving)
    resumed = trained(folder / "resumed", "npo-kl", batch=4, resume=str(folder / "resumed" / "checkpoint-3"), **saving)
    first, second = tiny.weights(whole.model), tiny.weights(resumed.model)
    assert resumed.state.log_history[-1]["step"] == 4
    assert all(torch.equal(first[name], second[name]) for name in first), "a resumed run is the uninterrupted one"
    (folder / f"evaluated_{rank}.json").write_text(json.dumps(evaluated(folder / "evaluated", batch=4)))
    followed(folder / "followed", batch=1)
    whole_file = followed(folder / "carried", batch=1, every=2)
    again = followed(folder / "carried", batch=1, every=2, resume=str(folder / "carried" / "checkpoint-3"))
    assert whole_file == again, "a resumed run leaves the file of the uninterrupted one"
    try:
        trained(folder / "nan", "ga-nll", batch=4, poison=True)
    except CrossmemError as error:
        (folder / f"nan_{rank}.txt").write_text(str(error))
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
