# SPDX-License-Identifier: Apache-2.0
"""Is it gone, or only not said? Every unlearning method under every attack, against the retain-only model under the
same attack, row by row.

Attacked is what each method has at matched retained recall, as in the study compare, so that no method looks thorough
for having been run longer. What it costs, in utility and in recall of the retained, stands beside what is left.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from crossmem_hf.analysis.attack_run import PLAIN, named_as
from crossmem_hf.analysis.attacks.table import ATTACKS
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import BASELINES
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, at_step
from crossmem_hf.studies.cells import Query, predicted
from crossmem_hf.studies.curves import (
    Views,
    at_matched_recall,
    baseline,
    check_memorized,
    curve_notes,
    followed,
    queried,
    unlearning_grid,
)
from crossmem_hf.studies.residual_claims import ANY, residual_claims
from crossmem_hf.studies.residual_measures import residual_measurements
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.studies.study import Cell, CellResult, Study, cell_name, not_memorized
from crossmem_hf.training.micro import TUNED, UNLEARNING

_THROUGH = (*MODALITIES, "both")
_METHODS = ("ga", "gd", "kl", "npo", "simnpo", "dpo", "idk", "rmu")
_ATTACKS = tuple(name for name in ATTACKS if name not in ("named_first", "multi_hop"))  # which are for facts
_OF_BOTH = ("relearning_others", "tuned_lens")  # attacks that learn from those to retain
_OF_ADAPTERS = ("rescaled",)  # attacks that the base, which has none, cannot be under
_TRAIN, _TEST = (TrainingRows(configs=("recall_image", "recall_text"), split=split) for split in ("train", "test"))
_VIEWS = Views(forget=1, retain=2)


class ResidualSettings(StudySettings):
    """Settings of `crossmem study residual_knowledge`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        _METHODS, description=f"Comma-separated: {', '.join(TUNED)}.", json_schema_extra=SELECTS
    )
    forget_modality: some_of(_THROUGH) = Field(  # type: ignore[valid-type]
        _THROUGH, description="Modalities to forget through, comma-separated.", json_schema_extra=SELECTS
    )
    attacks: some_of(_ATTACKS) = Field(  # type: ignore[valid-type]
        _ATTACKS, description=f"Comma-separated: {', '.join(_ATTACKS)}."
    )
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (15, 30, 60), description="Steps of unlearning to choose from, comma-separated; the last ends it."
    )


def _cell(cell: Cell) -> CellResult:
    """Memorize, or unlearn up to matched retained recall, and attack."""
    method = str(cell.where["method"])
    if method in BASELINES:
        model = baseline(cell, method, _TRAIN)
        known = queried(cell, cell_name(cell.where), model, _TEST, _VIEWS)
    else:
        model, known = _unlearned(cell, method)
    return CellResult(predictions=Predictions.joined([known, *_attacked(cell, model)]))


def _unlearned(cell: Cell, method: str) -> tuple[Done, Predictions]:
    """The adapter at matched retained recall, and what it answers."""
    learned = check_memorized(cell, _TEST, _TRAIN, _VIEWS)
    start = cell.at(method="memorized", seed=cell.seed)
    memorized = queried(start, cell_name(start.where), learned, _TEST, _VIEWS).with_columns(**start.where)
    chosen = UNLEARNING | TUNED[method] | {"forget_modality": cell.where["forget_modality"]}
    steps = cell.settings.evaluate_at
    trained, along = followed(cell, learned, _TRAIN, _TEST, steps, _VIEWS, method=method, **chosen)
    both = Predictions.joined([memorized, along.with_columns(**cell.where)])
    matched = at_matched_recall(both).where(method=method)
    step = int(matched[0]["matched_step"])
    return (at_step(trained, step) if step else learned), matched


def _attacked(cell: Cell, model: Done | None) -> Iterator[Predictions]:
    """What two views of each forgotten persona give away, in either modality."""
    query, name = Query(rows=_TEST, metrics=("recall",), views=2), cell_name(cell.where)
    forgotten = replace(query, group="forget")
    attacks = [one for one in cell.settings.attacks if model is not None or one not in _OF_ADAPTERS]
    yield named_as(predicted(cell, f"{name}_{PLAIN}", forgotten, model), PLAIN)
    for place, attack in enumerate(attacks):
        cell.progress(attack, 0.7 + 0.3 * place / len(attacks))
        asked = query if attack in _OF_BOTH else forgotten
        found = predicted(cell, f"{name}_{attack}", asked, model, attack=ATTACKS[attack])
        yield named_as(found.where(group="forget"), attack)


STUDY = Study(
    name="residual_knowledge",
    title="Is it gone, or only not said? Unlearned models under attack, against the retain-only model",
    paper="Ours; attacks after Open-MMUnlearning and others, on our own personas",
    settings=ResidualSettings,
    grid=unlearning_grid,
    cell=_cell,
    configs=lambda _: _TRAIN.configs,
    measure=residual_measurements,
    claims=lambda settings: residual_claims(settings.methods),
    headline=(("residual", {"attack": ANY, "target": None}),),
    quick={"methods": ("gd", "npo"), "forget_modality": ("both",), "seeds": 1, "num_personas": 20},
    config=lambda settings: {
        "unlearning": {
            name: UNLEARNING | TUNED[name] | {"max_steps": max(settings.evaluate_at)} for name in settings.methods
        },
    },
    notes=lambda settings, _: (
        "residual is what an attack gets out of a model less what it gets out of the retain-only model, row by row; "
        f"under {ANY} a row counts if any attack gets it out, under {PLAIN} the question is put as it is.",
        *curve_notes(settings.evaluate_at),
    ),
    uninterpretable=lambda record: not_memorized(
        record, *({"method": "memorized", "target": target} for target in MODALITIES)
    ),
)
