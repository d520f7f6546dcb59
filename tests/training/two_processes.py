# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun: one optimizer step on two processes, whose weights the first one writes to the folder given."""

import sys
from pathlib import Path

from safetensors.torch import save_file

from tests.training import world


def main(folder: Path, retain_loss: str) -> None:
    model = world.memorised()
    trainer = world.trainer_for(
        folder,
        model=model,
        forget=world.rows("p0", "p1", modality="mixed", views=4),
        retain=world.rows("p2", "p3", modality="mixed", views=4),
        per_device_train_batch_size=4,
        retain_loss=retain_loss,
        **world.ONE_STEP,
    )
    assert trainer.accelerator.num_processes == 2, "torchrun started two"
    trainer.train()
    trainer.save_model()
    if trainer.is_world_process_zero():
        save_file(world.weights(model), folder / "weights.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
