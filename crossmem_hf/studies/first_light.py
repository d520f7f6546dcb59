# SPDX-License-Identifier: Apache-2.0
"""Personas learned through one modality, asked through both, unlearned, and asked again.

Protocol of Wen et al. 2025 (arXiv 2506.05198) on our own personas: name recall in a 2x2 of learned and asked modality,
then NPO unlearning in the source modality, with Exposure after ReMem (arXiv 2605.03759). Their prompts, attributes and
numbers of views are not known; ours are in `prompts` and here, and no number equals theirs.
"""

from collections.abc import Callable
from typing import Any

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.studies.adapters import TrainingRows, at_step, memorized, unlearned
from crossmem_hf.studies.cells import Query, predicted
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.settings import TrainingSettings
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, measured_by, not_memorized

_WEN = "Wen et al. 2025 (arXiv 2506.05198)"
_BOTH = ("recall_image", "recall_text")
_NAMES = Query(
    rows=TrainingRows(configs=_BOTH, split="test"),
    metrics=("recall", "exposure", "exposure_taught"),
    max_new_tokens=16,
    batch_size=128,
)


def _grid(settings: TrainingSettings) -> list[Where]:
    return [{"source": source, "seed": seed} for seed in settings.all_seeds for source in MODALITIES]


def _cell(cell: Cell) -> CellResult:
    """Memorize through the source modality, ask, unlearn through it, ask again."""
    config, name = f"recall_{cell.where['source']}", f"{cell.where['source']}_seed{cell.seed}"
    train, steps = TrainingRows(configs=(config,), split="train"), cell.settings.evaluate_at
    cell.progress("base: querying", 0.0)
    base = predicted(cell, f"base_seed{cell.seed}", _NAMES, None, stage="base")
    learned = memorized(
        cell.at(stage="memorized", **cell.where),
        f"memorized_{name}",
        train,
        share=(0.1, 0.4),
        **cell.settings.memorizing(),
    )
    cell.progress("memorized: querying", 0.4)
    found = [base, predicted(cell, f"memorized_{name}_predictions", _NAMES, learned, stage="memorized")]
    forgot = unlearned(
        cell.at(stage="unlearned", **cell.where),
        f"unlearned_{name}",
        learned,
        train,
        method="npo",
        checkpoints=steps,
        share=(0.6, 0.8),
        **cell.settings.unlearning(),
    )
    for step in steps:
        cell.progress(f"unlearned, step {step}: querying", 0.8)
        on_the_way: dict[str, Any] = {} if step == steps[-1] else {"step": step}
        asked = f"unlearned_{name}_step{step}_predictions"
        found.append(predicted(cell, asked, _NAMES, at_step(forgot, step), stage="unlearned", **on_the_way))
    return CellResult(predictions=Predictions.joined(found))


def _gap(source: str, target: str) -> Callable[[Find], float]:
    return lambda find: (
        find("recall", stage="memorized", source=source, target=source)
        - find("recall", stage="memorized", source=source, target=target)
    )


def _left(source: str, target: str) -> Callable[[Find], float]:
    return lambda find: find("recall", stage="unlearned", source=source, target=target, group="forget")


STUDY = Study(
    name="first_light",
    title="Personas memorized through one modality, asked through both, and unlearned",
    paper=f"After {_WEN} and ReMem (arXiv 2605.03759), on our own personas",
    settings=TrainingSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: _BOTH,
    measure=measured_by(
        ("recall", "gap", "transfer", "exposure", "exposure_taught", "partial_recall", "name_shaped"),
        ("stage", "step", "source", "target"),
        ("stage", "step", "source", "target", "group"),
        keep=("recall", "gap", "transfer", "exposure", "exposure_taught", "partial_recall", "name_shaped"),
    ),
    claims=(
        Claim(
            sentence="Names learned from portraits are recalled less from descriptions.",
            paper=_WEN,
            contrast=_gap("image", "text"),
        ),
        Claim(
            sentence="Names learned from descriptions are recalled less from portraits.",
            paper=_WEN,
            contrast=_gap("text", "image"),
        ),
        Claim(
            sentence="Names unlearned through portraits are still recalled from descriptions.",
            paper=_WEN,
            contrast=_left("image", "text"),
            threshold=0.05,
        ),
        Claim(
            sentence="Names unlearned through descriptions are still recalled from portraits.",
            paper=_WEN,
            contrast=_left("text", "image"),
            threshold=0.05,
        ),
    ),
    headline=(
        ("recall", {"stage": "memorized", "group": None}),
        ("recall", {"stage": "unlearned", "group": "forget", "step": None}),
        ("recall", {"stage": "unlearned", "group": "retain", "step": None}),
        ("exposure", {"stage": "memorized", "group": "forget"}),
        ("exposure", {"stage": "unlearned", "group": "forget", "step": None}),
    ),
    quick={"num_personas": 20, "seeds": 1},
    notes=lambda settings, predictions: (
        "Recall is the exact full name on held-out views or sentence frames; Exposure ranks the truth among as many "
        "names that nobody was taught, by per-token likelihood, end of turn included.",
        f"Unlearning runs {max(settings.evaluate_at)} steps, whatever it does; numbers with a step are on the way.",
    ),
    personas=True,
    uninterpretable=lambda record: not_memorized(
        record, *({"stage": "memorized", "source": one, "target": one, "group": None} for one in MODALITIES)
    ),
)
