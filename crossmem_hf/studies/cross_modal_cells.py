# SPDX-License-Identifier: Apache-2.0
"""What a cell of the study cross_modal does: names are memorized in an arm's way, and asked. It measures and claims
nothing, so that a claim can be added and no model has to learn again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossmem_hf.analysis.attacks.described_first import described_first
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import Modality
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import AttributeRows, TrainingRows, at_step, memorized
from crossmem_hf.studies.cells import Query, Rivals, costs, nearest, predicted
from crossmem_hf.studies.cross_modal_arms import (
    ARMS,
    CURVE,
    USUAL,
    WITH_FACTS,
    arm_contrast,
    arm_rows,
    arm_steps,
    paired_personas,
)
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings
from crossmem_hf.studies.study import Cell, CellResult, Where, cell_name

BOTH: Final = ("recall_image", "recall_text")
NEAR, FAR = (TrainingRows(configs=BOTH, split=split) for split in ("test", "far"))
FACTS: Final = ("fact_image", "fact_text")
AMONG: Final[tuple[Rivals, ...]] = (500, 5000, "recombined")
"""What truths are ranked among, besides the untaught names of the dataset."""
DESCRIBED: Final = "described_first"
"""Value of the column ``attack`` where the model describes the person before it names them."""
_RANKED = ("recall", "exposure", "partial_recall", "forget_diagnosis")


def cross_modal_cell(cell: Cell) -> CellResult:
    """Memorize in the arm's way through the source modality, and ask through both."""
    settings: CrossModalSettings = cell.settings
    base, arm, name = str(cell.where["base"]), str(cell.where["arm"]), cell_name(cell.where)
    source = source_of(cell.where)
    here = replace(cell, settings=settings.replaced(model_name_or_path=base, **ARMS[arm].settings))
    suited, spec = settings.memorizing(base, arm), here.settings.spec(cell.seed)
    steps = arm_steps(arm, source, spec, base, suited["max_steps"])
    closely = arm == USUAL and settings.closely(base)
    marks = {share: max(1, round(share * steps)) for share in CURVE} if closely else {}
    learned = memorized(
        here,
        name,
        arm_rows(arm, source, spec),
        lora=settings.lora(arm),
        contrast=arm_contrast(arm, source),
        checkpoints=sorted(set(marks.values())),
        **(suited | {"max_steps": steps}),
    )
    cell.progress("querying", 0.5)
    near = Query(rows=NEAR, metrics=_RANKED if arm == USUAL else ("recall",))
    found = [predicted(here, f"{name}_test", near, learned, views="test")]
    if arm == WITH_FACTS:
        facts = Query(rows=TrainingRows(configs=FACTS, split="test"), metrics=("recall",))
        found.append(predicted(here, f"{name}_facts", facts, learned, views="test"))
    if arm == USUAL:
        found += _asked_widely(here, name, source, learned)
    if closely:
        found += _asked_closely(here, name, learned, marks)
    paired = paired_personas(arm, source, spec)
    return CellResult(
        predictions=Predictions(one for one in Predictions.joined(found) if one["persona_id"] not in paired),
        measurements=costs(learned, {**cell.where, "base": Path(base).name}),
    )


def source_of(where: Where) -> Modality:
    """The modality that a cell learns through."""
    return "image" if where["source"] == "image" else "text"


def _asked_widely(cell: Cell, name: str, source: Modality, learned: Done) -> Iterator[Predictions]:
    """Of the usual arm: far views; and what is read without having learned it, by the base and by the nearest training
    row."""
    yield predicted(cell, f"{name}_far", Query(rows=FAR, metrics=("recall",)), learned, views="far")
    training = TrainingRows(configs=(f"recall_{source}",), split="train")
    for views, rows in (("test", NEAR), ("far", FAR)):
        own = Query(rows=replace(rows, configs=training.configs), metrics=("recall",))
        yield nearest(cell, own, training, views=views, learned="nearest row")
    base = cell_name({"base": cell.where["base"], "seed": cell.seed})
    knowing = Query(rows=NEAR, metrics=("recall", "exposure"))
    yield predicted(cell, f"{base}_asked", knowing, None, views="test", learned="base")
    seeing = Query(rows=AttributeRows(), metrics=("utility",))
    yield predicted(cell, f"{base}_attributes", seeing, None, views="test", learned="base", group="utility")


def _asked_closely(cell: Cell, name: str, learned: Done, marks: Mapping[float, int]) -> Iterator[Predictions]:
    """Of the usual arm on some bases: more names to rank among, which takes longest; descriptions first; and points of
    the training.

    Args:
        marks: Share of the training -> step.
    """
    one_view = Query(rows=NEAR, metrics=("recall",), views=1)
    for among in AMONG:
        query = replace(one_view, metrics=("recall", "forget_diagnosis"), rivals=among)
        yield predicted(cell, f"{name}_{among}", query, learned, views="test", among=str(among))
    first = Query(rows=NEAR, metrics=("recall",))
    yield predicted(cell, f"{name}_{DESCRIBED}", first, learned, attack=described_first, views="test").with_columns(
        attack=DESCRIBED
    )
    for share, mark in marks.items():
        yield predicted(cell, f"{name}_step{mark}", one_view, at_step(learned, mark), views="test", trained=share)
