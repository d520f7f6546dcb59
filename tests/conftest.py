# SPDX-License-Identifier: Apache-2.0
"""What every test stands on: no network, no telemetry, few threads, fixed seeds. Stdlib only at import."""

import gc
import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MANY_MODULES = 100  # imported since the last time; a few more cost little

# Hugging Face libraries read these when they are first imported, so they are set before any of them is.
_HF_HOME = tempfile.TemporaryDirectory(prefix="crossmem_hf_home_")
os.environ.update(
    HF_HOME=_HF_HOME.name,
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_EVALUATE_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_UPDATE_DOWNLOAD_COUNTS="0",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
    OMP_WAIT_POLICY="PASSIVE",
    MPLBACKEND="Agg",
    NO_COLOR="1",
    COLUMNS="120",
)
for _name in ("HF_TOKEN", "HF_ENDPOINT", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "FORCE_COLOR"):
    os.environ.pop(_name, None)


def pytest_unconfigure() -> None:
    """Remove the session's Hugging Face home."""
    _HF_HOME.cleanup()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root, wherever the test runs."""
    return ROOT


_frozen_modules = 0


def _freeze_imports() -> None:
    """Put what libraries made when they were imported beyond the garbage collector, whenever many were.

    Every training ends in a full collection, which otherwise walks over millions of objects of theirs.
    """
    global _frozen_modules
    if len(sys.modules) > _frozen_modules + MANY_MODULES:
        gc.collect()
        gc.freeze()
        _frozen_modules = len(sys.modules)


@pytest.fixture(autouse=True)
def _fixed_start() -> None:
    """Every test starts from the same global seeds, and in one thread once torch is loaded."""
    _freeze_imports()
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of an untrained LLaVA."""
    import torch

    from crossmem_hf.models.micro.model import MicroShape, build_model, build_processor, name_pieces
    from crossmem_hf.personas.sampling import sample_personas
    from crossmem_hf.rendering.prose import describe

    torch.manual_seed(0)
    shape = MicroShape(vision_width=16, vision_layers=1, text_width=16, text_layers=1, text_mlp=16, heads=2)
    corpus = [describe(one, "train", view).text for one in sample_personas(5, 0, "background") for view in range(9)]
    processor = build_processor(corpus + 1000 * list(name_pieces()), shape)
    folder = tmp_path_factory.mktemp("tiny")
    build_model(processor, shape).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
