# SPDX-License-Identifier: Apache-2.0
"""What the embedded base models can carry: names and private facts of personas that they learn, asked in views and
words they were not taught.

Names as in the study first_light; facts in the sizes of ReMem (arXiv 2605.03759), learned from portraits by LoRA on
all linear layers of the decoder. Before a claim is tested on a base, this says whether it can hold what it is about.
"""

from collections.abc import Iterator
from itertools import product

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import bases
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import NEAREST, Measurement
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.cells import Query, costs, nearest, predicted
from crossmem_hf.studies.learning import LEARNED, at_work, learned
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, cell_name, pooled

_NAMES, _FACTS = ("recall_image", "recall_text"), "qa"
_METRICS = ("recall", "exposure", "partial_recall")
_BASES = bases()


class BasesSettings(StudySettings):
    """Settings of `crossmem study bases`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    bases: some_of(_BASES) = Field(  # type: ignore[valid-type]
        _BASES, description=f"Comma-separated: {', '.join(_BASES)}.", json_schema_extra=SELECTS
    )
    learned: some_of(LEARNED) = Field(  # type: ignore[valid-type]
        LEARNED, description=f"What is learned: {', '.join(LEARNED)}.", json_schema_extra=SELECTS
    )


def _grid(settings: BasesSettings) -> list[Where]:
    found: list[Where] = [
        {"base": NEAREST, "learned": "names", "source": source, "seed": seed}
        for source, seed in product(MODALITIES, settings.all_seeds)
        if "names" in settings.learned
    ]
    for base, seed in product(settings.bases, settings.all_seeds):
        if "names" in settings.learned:
            found += [{"base": base, "learned": "names", "source": source, "seed": seed} for source in MODALITIES]
        if "facts" in settings.learned:
            found.append({"base": base, "learned": "facts", "source": "image", "seed": seed})
    return found


def _cell(cell: Cell) -> CellResult:
    """Memorize, and ask what was trained on, near views and far ones."""
    base, source = str(cell.where["base"]), str(cell.where["source"])
    if base == NEAREST:
        return CellResult(predictions=Predictions.joined(_without_a_model(cell, f"recall_{source}")))
    here, name = at_work(cell), cell_name(cell.where)
    adapter = learned(here)
    if cell.where["learned"] == "names":
        asked = {split: TrainingRows(configs=_NAMES, split=split) for split in ("train", "test", "far")}
    else:
        asked = {
            "train": TrainingRows(configs=(_FACTS,), split="retain_eval", modality="image"),
            "test": TrainingRows(configs=("qa_test",), split="forget+retain"),
            "far": TrainingRows(configs=("qa_far",), split="forget+retain"),
        }
    found = []
    for number, (views, queried) in enumerate(asked.items()):
        cell.progress(f"{views}: querying", 0.6 + 0.13 * number)
        query = Query(rows=queried, metrics=("recall",) if views == "train" else ("recall", "exposure"))
        found.append(predicted(here, f"{name}_{views}", query, adapter, views=views))
    return CellResult(predictions=Predictions.joined(found), measurements=costs(adapter, dict(cell.where)))


def _without_a_model(cell: Cell, config: str) -> Iterator[Predictions]:
    for views in ("test", "far"):
        query = Query(rows=TrainingRows(configs=(config,), split=views), metrics=("recall",))
        yield nearest(cell, query, TrainingRows(configs=(config,), split="train"), views=views)


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    by = ("base", "learned", "source", "target", "views", *pooled(predictions))
    for where, part in predictions.grouped(["learned"]):
        columns = (*by, "hops") if where["learned"] == "facts" else by
        for _, own in part.grouped(["base", "views"]):
            metrics = _METRICS if "truth_rank" in own[0] else _METRICS[:1]
            yield from (one for one in own.measure(metrics, columns) if one.metric in _METRICS)


STUDY = Study(
    name="bases",
    title="What the embedded base models can carry: names, and private facts of one and two hops",
    paper="Ours; facts in the sizes of ReMem (arXiv 2605.03759)",
    settings=BasesSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: (*_NAMES, *(f"{config}/far" for config in _NAMES), _FACTS, "qa_test", "qa_far"),
    measure=_measure,
    headline=(("recall", {"views": "test"}),),
    quick={"seeds": 1, "bases": _BASES[:1], "num_personas": 20, "learned": ("names",)},
    notes=lambda settings, predictions: (
        "Recall is the exact answer. Views train are those learned from (of facts, a part of them); test and far are "
        "views and wordings that neither the base nor the adapter has met.",
    ),
)
