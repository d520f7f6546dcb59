# SPDX-License-Identifier: Apache-2.0
"""Does what is learned through one modality reach the other? Every claim of Wen et al. 2025 (arXiv 2506.05198) about
learning, on our own personas and base models; the claims are in `cross_modal_claims`.

Their prompts, attributes, numbers of views and settings are not known; ours are in `prompts` and here, and no number
equals theirs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import bases
from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.record import Measurement
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import AttributeRows, TrainingRows, at_step, memorized
from crossmem_hf.studies.cells import Query, Rivals, costs, nearest, predicted
from crossmem_hf.studies.cross_modal_arms import (
    ARMS,
    CURVE,
    MAIN_BASES,
    USUAL,
    arm_rows,
    arm_steps,
    cross_modal_claims,
)
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, cell_name, not_memorized, pooled
from crossmem_hf.training.micro import settings_of

_BOTH = ("recall_image", "recall_text")
_TEST, _FAR = (TrainingRows(configs=_BOTH, split=split) for split in ("test", "far"))
_ASKED = ("recall", "exposure", "partial_recall", "forget_diagnosis")
_KEPT = ("recall", "gap", "transfer", "exposure", "partial_recall", "still_known_unsaid", "utility_visual_attributes")
_AMONG: tuple[Rivals, ...] = (500, 5000, "recombined")
_BY = ("base", "arm", "source", "target", "views", "among", "trained", "learned")


class CrossModalSettings(StudySettings):
    """Settings of `crossmem study cross_modal`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    bases: some_of(bases()) = Field(  # type: ignore[valid-type]
        bases(), description=f"Comma-separated: {', '.join(bases())}.", json_schema_extra=SELECTS
    )
    arms: some_of(tuple(ARMS)) = Field(  # type: ignore[valid-type]
        tuple(ARMS), description=f"Ways to learn, comma-separated: {', '.join(ARMS)}.", json_schema_extra=SELECTS
    )
    checkpoints: str | None = Field(
        None,
        description="Folder of checkpoints of a base's pre-training, step-*, asked too.",
        json_schema_extra=SELECTS,
    )


def _grid(settings: CrossModalSettings) -> list[Where]:
    kept = sorted(Path(settings.checkpoints).glob("step-*/config.json")) if settings.checkpoints else []
    places = [
        (base, arm) for arm, base in product(settings.arms, settings.bases) if arm == USUAL or base in MAIN_BASES[:1]
    ]
    places += [(str(file.parent), USUAL) for file in kept]
    return [
        {"base": base, "arm": arm, "source": source, "seed": seed}
        for (base, arm), seed, source in product(places, settings.all_seeds, MODALITIES)
    ]


def _cell(cell: Cell) -> CellResult:
    """Memorize in the arm's way through the source modality, and ask through both."""
    arm, source, base = str(cell.where["arm"]), _source(cell), str(cell.where["base"])
    sizes = {"model_name_or_path": base, **ARMS[arm].settings}
    here = replace(cell, settings=cell.settings.replaced(**sizes), where={**cell.where, "base": Path(base).name})
    suited, rows = settings_of(base).memorizing, arm_rows(arm, source, here.settings)
    steps = arm_steps(arm, rows, here.settings, suited["max_steps"])
    marks = {share: round(share * steps) for share in (CURVE if arm == USUAL else ())}
    name = cell_name(here.where)
    learned = memorized(
        here, name, rows, lora=ARMS[arm].lora, checkpoints=tuple(marks.values()), **(suited | {"max_steps": steps})
    )
    cell.progress("querying", 0.5)
    found = [predicted(here, f"{name}_test", Query(rows=_TEST, metrics=_ASKED), learned, views="test")]
    if arm == USUAL:
        found += _closely(here, name, learned, marks)
    predictions = _less_paired(arm, here, Predictions.joined(found))
    return CellResult(
        predictions=predictions.with_columns(base=here.where["base"]), measurements=costs(learned, dict(here.where))
    )


def _source(cell: Cell) -> Modality:
    return "image" if cell.where["source"] == "image" else "text"


def _less_paired(arm: str, cell: Cell, predictions: Predictions) -> Predictions:
    """Those about personas who were not learned through both modalities."""
    besides = arm_rows(arm, _source(cell), cell.settings).besides
    if not isinstance(besides, TrainingRows) or besides.share == 1:
        return predictions
    paired = set(besides.of(cell.settings.spec(cell.seed))["persona_id"])
    return Predictions(one for one in predictions if one["persona_id"] not in paired)


def _closely(cell: Cell, name: str, learned: Done, marks: Mapping[float, int]) -> Iterator[Predictions]:
    """What only the usual arm is asked: far views, more names to rank among, along the way; and the controls."""
    training = TrainingRows(configs=(f"recall_{_source(cell)}",), split="train")
    for views, rows in (("test", _TEST), ("far", _FAR)):
        own = Query(rows=replace(rows, configs=training.configs), metrics=("recall",))
        yield nearest(cell, own, training, views=views, learned="nothing")
    yield predicted(cell, f"{name}_far", Query(rows=_FAR, metrics=_ASKED), learned, views="far")
    for among in _AMONG:
        query = Query(rows=_TEST, metrics=("recall", "forget_diagnosis"), views=1, rivals=among)
        yield predicted(cell, f"{name}_{among}", query, learned, views="test", among=str(among))
    for share, mark in marks.items():
        query = Query(rows=_TEST, metrics=("recall",), views=1)
        yield predicted(cell, f"{name}_step{mark}", query, at_step(learned, mark), views="test", trained=share)
    base = cell_name({"base": cell.where["base"], "seed": cell.seed})
    seeing = Query(rows=AttributeRows(), metrics=("utility",))
    yield predicted(cell, f"{base}_attributes", seeing, None, learned="base", group="utility")
    knowing = Query(rows=_TEST, metrics=("recall", "exposure"))
    yield predicted(cell, f"{base}_asked", knowing, None, learned="base", views="test")


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    """Of every arm recall, gap, transfer and what ranks say; of the usual one more."""
    by = (*_BY, *pooled(predictions))
    yield from (one for one in predictions.where(group="utility").measure(("utility",), by) if one.metric in _KEPT)
    asked = Predictions(one for one in predictions if one.get("group") != "utility")
    yield from asked.measure(("recall",), by)
    yield from (one for one in asked.where(learned=None).measure(("gap", "transfer"), by) if one.metric in _KEPT)
    ranked = Predictions(one for one in asked if one.get("exposure") is not None)
    for metric in ("exposure", "partial_recall", "forget_diagnosis"):
        yield from (one for one in ranked.measure((metric,), by) if one.metric in _KEPT)


STUDY = Study(
    name="cross_modal",
    title="Does what is learned through one modality reach the other?",
    paper="Wen et al. 2025 (arXiv 2506.05198), on our own personas and base models",
    settings=CrossModalSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: (*_BOTH, *(f"{config}/far" for config in _BOTH), "captions"),
    measure=_measure,
    claims=tuple(cross_modal_claims()),
    headline=(("recall", {"arm": USUAL, "views": "test", "among": None, "trained": None, "learned": None}),),
    quick={"seeds": 1, "bases": bases()[:1], "arms": (USUAL, "longer", "captions_of_them"), "num_personas": 20},
    notes=lambda settings, _: (
        "Every arm sees each persona as often, at the settings of the base; mitigations, and the arm longer, have "
        "twice the training tokens. Of paired_10 and paired_30 only personas learned through one modality count.",
    ),
    uninterpretable=lambda record: not_memorized(
        record,
        *(
            {
                "arm": USUAL,
                "base": base,
                "source": one,
                "target": one,
                "views": "test",
                "among": None,
                "trained": None,
                "learned": None,
            }
            for one in MODALITIES
            for base in record.config["bases"][:1]
        ),
    ),
)
