# SPDX-License-Identifier: Apache-2.0
"""The public names of crossmem_hf, each loaded when it is first used, so that importing loads nothing heavy."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossmem_hf.data.loading import load_rows
    from crossmem_hf.errors import CrossmemError
    from crossmem_hf.models.loading import load_model_and_processor
    from crossmem_hf.personas.sampling import sample_personas
    from crossmem_hf.personas.schema import Persona
    from crossmem_hf.rendering.portraits import render_portrait
    from crossmem_hf.rendering.prose import describe
    from crossmem_hf.report.record import RunRecord
    from crossmem_hf.scoring.answers import score_answers
    from crossmem_hf.scoring.candidates import score_candidates
    from crossmem_hf.scoring.generation import generate_answers
    from crossmem_hf.training.config import UnlearnConfig
    from crossmem_hf.training.trainer import UnlearnTrainer

__version__ = "0.1.0"

__all__ = [
    "CrossmemError",
    "Persona",
    "RunRecord",
    "UnlearnConfig",
    "UnlearnTrainer",
    "__version__",
    "describe",
    "generate_answers",
    "load_model_and_processor",
    "load_rows",
    "render_portrait",
    "sample_personas",
    "score_answers",
    "score_candidates",
]

_HOMES = {
    "CrossmemError": "crossmem_hf.errors",
    "Persona": "crossmem_hf.personas.schema",
    "RunRecord": "crossmem_hf.report.record",
    "UnlearnConfig": "crossmem_hf.training.config",
    "UnlearnTrainer": "crossmem_hf.training.trainer",
    "describe": "crossmem_hf.rendering.prose",
    "generate_answers": "crossmem_hf.scoring.generation",
    "load_model_and_processor": "crossmem_hf.models.loading",
    "load_rows": "crossmem_hf.data.loading",
    "render_portrait": "crossmem_hf.rendering.portraits",
    "sample_personas": "crossmem_hf.personas.sampling",
    "score_answers": "crossmem_hf.scoring.answers",
    "score_candidates": "crossmem_hf.scoring.candidates",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'crossmem_hf' has no attribute {name!r}; public names: {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
