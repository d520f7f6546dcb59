# SPDX-License-Identifier: Apache-2.0
"""What the study cross_modal asks, and what it measures of the answers. It trains nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossmem_hf.analysis.attacks.described_first import described_first
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.record import Measurement
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import AttributeRows, TrainingRows, at_step
from crossmem_hf.studies.cells import Query, Rivals, nearest, predicted
from crossmem_hf.studies.study import Cell, cell_name, pooled

BOTH: Final = ("recall_image", "recall_text")
NEAR, FAR = (TrainingRows(configs=BOTH, split=split) for split in ("test", "far"))
AMONG: Final[tuple[Rivals, ...]] = (500, 5000, "recombined")
"""What truths are ranked among, besides the untaught names of the dataset."""
DESCRIBED: Final = "described_first"
"""Value of the column ``attack`` where the model describes the person before it names them."""
AREA: Final = "area_between_curves"
KEYS: Final = ("base", "arm", "source", "target", "views", "among", "trained", "attack", "learned")
"""What tells measurements apart. Only the usual arm has far views, ``learned`` ("base": nothing yet; "nearest row": no
model), ``among`` (what the truth is ranked among), ``trained`` (the share of the training) and ``attack``."""
_ASKED = ("recall", "exposure", "partial_recall", "forget_diagnosis")
_KEPT = ("recall", "gap", "transfer", "exposure", "partial_recall", "still_known_unsaid", "utility_visual_attributes")


def asked(cell: Cell, name: str, learned: Done) -> Predictions:
    """Of every arm: both modalities, near views."""
    return predicted(cell, f"{name}_test", Query(rows=NEAR, metrics=_ASKED), learned, views="test")


def asked_widely(cell: Cell, name: str, source: Modality, learned: Done) -> Iterator[Predictions]:
    """Of the usual arm: far views; and what is read without having learned it, by the base and by the nearest training
    row."""
    yield predicted(cell, f"{name}_far", Query(rows=FAR, metrics=_ASKED), learned, views="far")
    training = TrainingRows(configs=(f"recall_{source}",), split="train")
    for views, rows in (("test", NEAR), ("far", FAR)):
        own = Query(rows=replace(rows, configs=training.configs), metrics=("recall",))
        yield nearest(cell, own, training, views=views, learned="nearest row")
    base = cell_name({"base": Path(str(cell.where["base"])).name, "seed": cell.seed})
    knowing = Query(rows=NEAR, metrics=("recall", "exposure"))
    yield predicted(cell, f"{base}_asked", knowing, None, views="test", learned="base")
    seeing = Query(rows=AttributeRows(), metrics=("utility",))
    yield predicted(cell, f"{base}_attributes", seeing, None, views="test", learned="base", group="utility")


def asked_closely(cell: Cell, name: str, learned: Done, marks: Mapping[float, int]) -> Iterator[Predictions]:
    """Of the usual arm on the first main base: more names to rank among, which takes longest; descriptions first; and
    points of the training.

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


def measured(predictions: Predictions) -> Iterator[Measurement]:
    """Recall wherever it was asked; gap and transfer of what was learned; Exposure and the share of truths that are
    not said and rank first where truths were ranked; the area between the learning curves, which is the mean gap along
    the training; and how much of what personas look like the base can tell."""
    by = (*KEYS, *pooled(predictions))
    looks = predictions.where(group="utility")
    names = Predictions(one for one in predictions if one.get("group") != "utility")
    along = Predictions(one for one in names if one.get("trained") is not None)
    found = [*looks.measure(("utility",), by), *names.measure(("recall",), by)]
    found += names.where(learned=None).measure(("gap", "transfer"), by)
    for _, own in names.grouped(["arm"]):  # a guesser chooses among the personas of the arm
        ranked = Predictions(one for one in own if one.get("exposure") is not None)
        for metric in ("exposure", "partial_recall", "forget_diagnosis"):
            found += ranked.measure((metric,), by)
    yield from (one for one in found if one.metric in _KEPT)
    for one in along.measure(("gap",), [key for key in by if key != "trained"]):
        yield one.model_copy(update={"metric": AREA, "greater_means": "the other modality lags further behind"})
