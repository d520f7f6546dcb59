# SPDX-License-Identifier: Apache-2.0
"""The public names of crossmem_hf, each loaded when it is first used, so that importing loads nothing heavy."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossmem_hf.conformance.check import check_model
    from crossmem_hf.data.loading import load_rows
    from crossmem_hf.errors import CrossmemError
    from crossmem_hf.evaluation.memorization_check import check_memorized
    from crossmem_hf.models.loading import load_model_and_processor
    from crossmem_hf.personas.sampling import sample_personas
    from crossmem_hf.personas.schema import Persona
    from crossmem_hf.rendering.portraits import render_portrait
    from crossmem_hf.rendering.prose import describe
    from crossmem_hf.report.record import Record
    from crossmem_hf.scoring.answers import score_answers
    from crossmem_hf.scoring.candidates import score_candidates
    from crossmem_hf.scoring.generation import generate_answers
    from crossmem_hf.training.callbacks.memorization import MemorizationCallback
    from crossmem_hf.training.config import UnlearnConfig
    from crossmem_hf.training.methods import (
        GAConfig,
        GATrainer,
        GDConfig,
        GDTrainer,
        IdkConfig,
        IdkPOConfig,
        IdkPOTrainer,
        IdkTrainer,
        KLConfig,
        KLTrainer,
        NPOConfig,
        NPOTrainer,
        RMUConfig,
        RMUTrainer,
        SimNPOConfig,
        SimNPOTrainer,
        UNDIALConfig,
        UNDIALTrainer,
        WGAConfig,
        WGATrainer,
    )
    from crossmem_hf.training.trainer import UnlearnTrainer

__version__ = "0.1.0"

__all__ = [
    "CrossmemError",
    "GAConfig",
    "GATrainer",
    "GDConfig",
    "GDTrainer",
    "IdkConfig",
    "IdkPOConfig",
    "IdkPOTrainer",
    "IdkTrainer",
    "KLConfig",
    "KLTrainer",
    "MemorizationCallback",
    "NPOConfig",
    "NPOTrainer",
    "Persona",
    "RMUConfig",
    "RMUTrainer",
    "Record",
    "SimNPOConfig",
    "SimNPOTrainer",
    "UNDIALConfig",
    "UNDIALTrainer",
    "UnlearnConfig",
    "UnlearnTrainer",
    "WGAConfig",
    "WGATrainer",
    "__version__",
    "check_memorized",
    "check_model",
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
    "GAConfig": "crossmem_hf.training.methods",
    "GATrainer": "crossmem_hf.training.methods",
    "GDConfig": "crossmem_hf.training.methods",
    "GDTrainer": "crossmem_hf.training.methods",
    "IdkConfig": "crossmem_hf.training.methods",
    "IdkPOConfig": "crossmem_hf.training.methods",
    "IdkPOTrainer": "crossmem_hf.training.methods",
    "IdkTrainer": "crossmem_hf.training.methods",
    "KLConfig": "crossmem_hf.training.methods",
    "KLTrainer": "crossmem_hf.training.methods",
    "MemorizationCallback": "crossmem_hf.training.callbacks.memorization",
    "NPOConfig": "crossmem_hf.training.methods",
    "NPOTrainer": "crossmem_hf.training.methods",
    "Persona": "crossmem_hf.personas.schema",
    "RMUConfig": "crossmem_hf.training.methods",
    "RMUTrainer": "crossmem_hf.training.methods",
    "Record": "crossmem_hf.report.record",
    "SimNPOConfig": "crossmem_hf.training.methods",
    "SimNPOTrainer": "crossmem_hf.training.methods",
    "UNDIALConfig": "crossmem_hf.training.methods",
    "UNDIALTrainer": "crossmem_hf.training.methods",
    "UnlearnConfig": "crossmem_hf.training.config",
    "UnlearnTrainer": "crossmem_hf.training.trainer",
    "WGAConfig": "crossmem_hf.training.methods",
    "WGATrainer": "crossmem_hf.training.methods",
    "check_memorized": "crossmem_hf.evaluation.memorization_check",
    "check_model": "crossmem_hf.conformance.check",
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
