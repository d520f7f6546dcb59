# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun: portraits by two processes, without a model and by a tiny one."""

import json
import os
import sys
from pathlib import Path

from crossmem_hf.data.albums.making import run_portraits
from crossmem_hf.data.albums.settings import PortraitSettings
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings
from crossmem_hf.runs.distributed import joined_state
from tests.studies import darkroom


def with_model(model: str):
    """Settings of a run by a tiny pipeline: more than one unit of work, one of them across people."""
    diffusion = DiffusionSettings(pipeline="img2img", model=model, steps=2, image_size=32)
    personas = {"num_personas": 4, "num_views": 1, "populations": ("target",)}
    return PortraitSettings(diffusion=diffusion, face_model="none", batch_size=4, **personas)


def main(folder: Path) -> None:
    renderer = darkroom.Renderer()
    run_portraits(darkroom.settings(), folder / "stub", renderer=renderer, embedder=darkroom.Embedder())
    run_portraits(with_model(str(folder / "model")), folder / "tiny")
    state = joined_state()
    (folder / f"said{os.environ['RANK']}.json").write_text(json.dumps([state.num_processes, len(renderer.seeds)]))
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
