# SPDX-License-Identifier: Apache-2.0
"""Unlearning methods side by side, through either modality and through both, along their steps.

After Table 2 of ReMem (arXiv 2605.03759) on our own personas, with what no paper reports: the modality that was not
unlearned through, the curve on a fixed budget, and the baselines. No number here equals theirs.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import FLUENT_SHARE, Against, fluent_perplexity
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import BASELINES, Measurement
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.cells import UTILITY, costs, on_embedded
from crossmem_hf.studies.compare_claims import unlearning_claims
from crossmem_hf.studies.curves import (
    EVERY_VIEW,
    Views,
    at_matched_recall,
    baseline,
    check_memorized,
    curve_notes,
    followed,
    matched_steps,
    queried,
    unlearning_grid,
)
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.studies.study import Cell, CellResult, Study, cell_name, not_memorized, pooled
from crossmem_hf.training.micro import MEMORIZING_REPLAYED, TUNED, UNLEARNING

_THROUGH = (*MODALITIES, "both")
_METHODS = ("ga", "gd", "kl", "npo", "simnpo", "dpo", "idk", "rmu")
_FORGET = ("recall", "partial_recall", "exposure", "exposure_taught", "forget_diagnosis")
_KEPT = (*_FORGET[:4], "refusals", "forgotten", "refused", "collapsed", "still_known")
_VIEWS = Views(retain=2)


class CompareSettings(StudySettings):
    """Settings of `crossmem compare`; the defaults suit the embedded model on two CPU cores."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        _METHODS,
        description=f"Comma-separated: {', '.join(TUNED)}.",
        json_schema_extra=SELECTS,
    )
    forget_modality: some_of(_THROUGH) = Field(  # type: ignore[valid-type]
        _THROUGH, description="Modalities to forget through, comma-separated.", json_schema_extra=SELECTS
    )
    dataset_config: Literal["recall", "qa"] = Field(
        "recall", description="recall (names) or qa (private facts, one and two hops)."
    )
    memorize_steps: int = Field(
        MEMORIZING_REPLAYED["max_steps"], ge=1, description="Optimizer steps of memorizing, both modalities together."
    )
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (15, 30, 60),
        description="Steps of unlearning after which all are queried, comma-separated; the last ends it.",
    )

    def rows(self, split: str) -> TrainingRows:
        """Rows of both modalities; of qa the training questions or the held-out ones."""
        if self.dataset_config == "recall":
            return TrainingRows(configs=("recall_image", "recall_text"), split=split)
        return TrainingRows(configs=("qa_test" if split == "test" else "qa",), split="forget+retain")


def _cell(cell: Cell) -> CellResult:
    """Memorize, or unlearn along its steps, and ask about everybody through both modalities."""
    settings, method = cell.settings, str(cell.where["method"])
    train, test, name = settings.rows("train"), settings.rows("test"), cell_name(cell.where)
    memorizing = {"max_steps": settings.memorize_steps}
    views = _VIEWS if settings.dataset_config == "recall" else EVERY_VIEW
    if method in BASELINES:
        trained = baseline(cell, method, train, **memorizing)
        predictions = queried(cell, name, trained, test, views)
    else:
        learned = check_memorized(cell, test, train, views, **memorizing)
        chosen = UNLEARNING | TUNED[method] | {"forget_modality": cell.where["forget_modality"]}
        trained, predictions = followed(
            cell, learned, train, test, settings.evaluate_at, views, method=method, **chosen
        )
    return CellResult(predictions=predictions, measurements=costs(trained, dict(cell.where)) if trained else ())


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    """Numbers at each step; without a step, those at matched retained recall."""
    matched = at_matched_recall(predictions)
    yield from matched_steps(matched)
    along = Predictions(one for one in predictions if one.get("step") is not None)
    every, seeds = Predictions.joined([matched, along]), pooled(predictions)
    yield from every.where(group=UTILITY).measure(("utility",), ("method", "forget_modality", "step", *seeds))
    every = Predictions(one for one in every if one["group"] != UTILITY)
    against = Against(perplexity_limit=fluent_perplexity(every.where(method="retain_only", group="forget")))
    for hops in ((), ("hops",)) if len({one["hops"] for one in every}) > 1 else ((),):
        by = ("method", "forget_modality", "step", "target", "group", *hops, *seeds)
        found = every.where(group="forget").measure(_FORGET, by, against=against)
        found += every.where(group="retain").measure(("recall",), by)
        yield from (one for one in found if one.metric in _KEPT)


def _notes(settings: CompareSettings, predictions: Predictions) -> Iterator[str]:
    yield "Personas are memorized through both modalities by one adapter, from which every method starts."
    if on_embedded(settings):
        yield (
            "Meanwhile the embedded base is asked again for names that it knows and for strangers, whom it refuses; "
            "utility asks about others, and unlearning retains none of them."
        )
    yield "Every method retains the same rows of both modalities; only the forgotten rows differ."
    yield from curve_notes(settings.evaluate_at)
    limit = fluent_perplexity(predictions.where(method="retain_only", group="forget"))
    if limit is not None:
        yield (
            f"An answer is collapsed, too, above perplexity {limit:.4g} under the base model: {FLUENT_SHARE:.0%} of "
            "the retain-only model's answers about forgotten personas are below."
        )


STUDY = Study(
    name="compare",
    title="Unlearning methods side by side along their steps, through either modality and through both",
    paper="After Table 2 of ReMem (arXiv 2605.03759), on our own personas",
    settings=CompareSettings,
    grid=unlearning_grid,
    cell=_cell,
    configs=lambda settings: tuple(dict.fromkeys(settings.rows("train").configs + settings.rows("test").configs)),
    measure=_measure,
    claims=lambda settings: unlearning_claims(settings.methods),
    quick={"methods": ("gd", "npo"), "forget_modality": ("both",), "seeds": 1, "num_personas": 20},
    config=lambda settings: {
        "unlearning": {
            name: UNLEARNING | TUNED[name] | {"max_steps": max(settings.evaluate_at)} for name in settings.methods
        },
        "memorizing": MEMORIZING_REPLAYED | {"max_steps": settings.memorize_steps},
    },
    notes=_notes,
    uninterpretable=lambda record: not_memorized(
        record, *({"method": "memorized", "target": target, "hops": None} for target in MODALITIES)
    ),
)
