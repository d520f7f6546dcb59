# SPDX-License-Identifier: Apache-2.0
"""The public names of crossmem_hf, each loaded when it is first used, so that importing loads nothing heavy."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors; a test holds it to the table below
    from crossmem_hf.conformance.check import check_model as check_model
    from crossmem_hf.data.loading import load_rows as load_rows
    from crossmem_hf.data.personas import PersonaDataset as PersonaDataset
    from crossmem_hf.errors import CrossmemError as CrossmemError
    from crossmem_hf.evaluation.evaluator import CrossModalEvaluator as CrossModalEvaluator
    from crossmem_hf.models.loading import load_model as load_model
    from crossmem_hf.report.record import Record as Record
    from crossmem_hf.scoring.answers import score_answers as score_answers
    from crossmem_hf.scoring.candidates import score_candidates as score_candidates
    from crossmem_hf.scoring.generation import generate_answers as generate_answers
    from crossmem_hf.studies.study import Study as Study
    from crossmem_hf.training.config import UnlearnConfig as UnlearnConfig
    from crossmem_hf.training.memorize import memorize as memorize
    from crossmem_hf.training.trainer import UnlearnTrainer as UnlearnTrainer

__version__ = "0.1.0"

_HOMES = {
    "CrossModalEvaluator": "crossmem_hf.evaluation.evaluator",
    "CrossmemError": "crossmem_hf.errors",
    "PersonaDataset": "crossmem_hf.data.personas",
    "Record": "crossmem_hf.report.record",
    "Study": "crossmem_hf.studies.study",
    "UnlearnConfig": "crossmem_hf.training.config",
    "UnlearnTrainer": "crossmem_hf.training.trainer",
    "check_model": "crossmem_hf.conformance.check",
    "generate_answers": "crossmem_hf.scoring.generation",
    "load_model": "crossmem_hf.models.loading",
    "load_rows": "crossmem_hf.data.loading",
    "memorize": "crossmem_hf.training.memorize",
    "score_answers": "crossmem_hf.scoring.answers",
    "score_candidates": "crossmem_hf.scoring.candidates",
}
"""Public name -> the module that defines it."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'crossmem_hf' has no attribute {name!r}; public names: {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
