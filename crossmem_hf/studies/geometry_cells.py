# SPDX-License-Identifier: Apache-2.0
"""What cells of the study representation_geometry do: take a model through pre-training, memorizing or unlearning,
look at the shape of its states, and see what relearning brings back. They claim nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.record import BASELINES, Measurement
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, at_step, loaded, unlearned
from crossmem_hf.studies.cells import Query, predicted
from crossmem_hf.studies.curves import Views, baseline, check_memorized, step_at_matched_recall
from crossmem_hf.studies.study import Cell, CellResult, cell_name
from crossmem_hf.training.micro import TUNED, UNLEARNING
from crossmem_hf.training.relearning import relearning

PRETRAINING, LEARNED = "pretraining", "learned"
"""Values of the key ``part``."""
NUMBERS: Final = {
    "rankme": ("states", "more directions are in use"),
    "alpha_req": ("exponent", "the spectrum falls faster"),
    "participation_ratio": ("states", "more directions are in use"),
}
"""Number of the geometry -> its unit, and what a greater one says."""
RANKS: Final = (12, 100)
"""Between which the spectrum's fall is fitted, where there are so many rows and directions."""

_NAMES = ("recall_image", "recall_text")
_TRAIN, _TEST = (TrainingRows(configs=_NAMES, split=split) for split in ("train", "test"))
_VIEWS = Views(forget=2, retain=1, whole=False)
_RETAINED = Query(rows=_TEST, metrics=("recall",), group="retain", views=1)
_FORGET = Query(rows=_TEST, metrics=("recall",), group="forget", views=2)


def geometry_cell(cell: Cell) -> CellResult:
    """What the cell's part says."""
    if cell.where["part"] == PRETRAINING:
        folder = str(Path(cell.settings.checkpoints) / str(cell.where["point"]))
        here = replace(cell, settings=cell.settings.replaced(model_name_or_path=folder))
        return CellResult(measurements=tuple(_shapes(here, None)))
    model, step = _model(cell)
    shapes = (*_shapes(cell, model), *(_depths(cell, model) if step else ()))
    back = predicted(cell, f"{cell_name(cell.where)}_relearning", _FORGET, model, attack=relearning)
    return CellResult(measurements=shapes, predictions=back.with_columns(matched_step=step))


def _model(cell: Cell) -> tuple[Done | None, int | None]:
    """A baseline, or what a method has at matched retained recall, and at which step."""
    method, place = str(cell.where["method"]), cell.at(seed=cell.seed)
    if method in BASELINES:
        return baseline(place, method, _TRAIN), None
    learned = check_memorized(place, _TEST, _TRAIN, _VIEWS)
    steps = cell.settings.evaluate_at
    chosen = UNLEARNING | TUNED[method] | {"forget_modality": "both", "max_steps": max(steps)}
    name = f"{cell_name(cell.where)}_learned"
    trained = unlearned(cell, name, learned, _TRAIN, checkpoints=steps, method=method, **chosen)
    step = step_at_matched_recall(cell, trained, learned, _RETAINED, steps)
    return (at_step(trained, step) if step else learned), step


def _shapes(cell: Cell, adapter: Done | None) -> Iterator[Measurement]:
    """Of the states behind the questions about those to forget and those to retain, in either modality."""
    model, processor = loaded(cell, adapter)
    for group in ("forget", "retain"):
        for target in MODALITIES:
            cell.progress(f"states, {group}, {target}", 0.7)
            rows = _rows(cell, group, target)
            for name, value in _geometry(model, processor, rows).items():
                if name in NUMBERS:
                    unit, means = NUMBERS[name]
                    where = {**cell.where, "group": group, "target": target}
                    yield Measurement(
                        metric=name, where=where, value=value, n=len(rows), unit=unit, greater_means=means
                    )


def _depths(cell: Cell, adapter: Done | None) -> Iterator[Measurement]:
    """How deep unlearning reached, of a method that did something: what the memorized model makes of this one's
    states, in either modality."""
    from crossmem_hf.analysis.unlearning_depth import NothingMemorizedError, answer_states, unlearning_depth

    memorized, retain_only = (
        baseline(cell.at(method=name, seed=cell.seed), name, _TRAIN) for name in ("memorized", "retain_only")
    )
    for target in MODALITIES:
        cell.progress(f"depth, {target}", 0.8)
        rows = _rows(cell, "forget", target, parts=(_TEST,))
        here, without = (answer_states(*loaded(cell, one), rows) for one in (adapter, retain_only))
        try:
            found = unlearning_depth(*loaded(cell, memorized), rows, unlearned=here, retain_only=without)
        except NothingMemorizedError:  # as --allow_unmemorized lets be
            continue
        (one,) = found.measure(("unlearning_depth",), by=())
        yield one.model_copy(update={"where": {**cell.where, "group": "forget", "target": target}})


def _rows(cell: Cell, group: Literal["forget", "retain"], target: Modality, parts: Any = (_TRAIN, _TEST)) -> Any:
    """In all views that training and testing have, so that there are more rows than the spectrum has ranks."""
    from datasets import concatenate_datasets

    from crossmem_hf.data.population import forgotten_ids
    from crossmem_hf.data.selection import of_personas, personas_of

    spec = cell.settings.spec(cell.seed)
    every = concatenate_datasets([replace(part, modality=target).of(spec) for part in parts])
    whom = forgotten_ids(spec) if group == "forget" else set(personas_of(every)) - forgotten_ids(spec)
    return of_personas(every, whom)


def _geometry(model: Any, processor: Any, rows: Any) -> dict[str, float]:
    from crossmem_hf.analysis.representations import representation_geometry

    width = model.config.get_text_config().hidden_size
    ranks = RANKS if min(len(rows) - 1, width) > RANKS[1] else None
    return representation_geometry(model, processor, rows, rank_range=ranks)


def geometry_measurements(predictions: Predictions) -> Iterator[Measurement]:
    """What each model says of those who are not relearned, before and once others are, and at which step each method
    was taken."""
    from crossmem_hf.studies.curves import matched_steps
    from crossmem_hf.studies.study import pooled

    others = Predictions(one for one in predictions if not one["taught"])
    yield from others.measure(("recall", "extracted"), ("part", "method", *pooled(predictions)))
    yield from matched_steps(predictions)
