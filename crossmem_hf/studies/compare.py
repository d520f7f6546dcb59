# SPDX-License-Identifier: Apache-2.0
"""Unlearning methods side by side, through either modality and through both.

After Table 2 of ReMem (arXiv 2605.03759) on our own personas and the embedded model, with what no paper reports: the
modality that was not unlearned through, and the baselines to read the numbers against. No number here equals theirs.
"""

from collections.abc import Iterator
from itertools import product
from typing import Literal

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import FLUENT_SHARE, Against, fluent_perplexity
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.prompts.questions import REFUSALS
from crossmem_hf.report.record import BASELINES, Measurement
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, memorized, unlearned
from crossmem_hf.studies.cells import Query, check_recalled, costs, predicted
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, by_seed, cell_name, not_memorized
from crossmem_hf.training.micro import MEMORIZING, MEMORIZING_BOTH, TUNED, UNLEARNING

_THROUGH = (*MODALITIES, "both")
_METRICS = ("recall", "partial_recall", "rouge", "exposure")
_KEPT = ("recall", "partial_recall", "rouge_l_recall", "exposure", "forgotten", "refused", "collapsed", "still_known")


class CompareSettings(StudySettings):
    """Settings of `crossmem compare`; the defaults suit the embedded model on two CPU cores."""

    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        ("ga", "gd", "kl", "npo", "simnpo", "dpo", "idk", "rmu"),
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
        MEMORIZING_BOTH["max_steps"], ge=1, description="Optimizer steps of memorizing, both modalities together."
    )

    def rows(self, split: str) -> TrainingRows:
        """Rows of both modalities; the config qa has no validation split, so what is unlearned is asked itself."""
        if self.dataset_config == "recall":
            return TrainingRows(configs=("recall_image", "recall_text"), split=split)
        return TrainingRows(configs=("qa_test" if split == "test" else "qa",), split="forget+retain")


def _grid(settings: CompareSettings) -> list[Where]:
    found: list[Where] = [{"method": name, "seed": seed} for name, seed in product(BASELINES, settings.all_seeds)]
    for method, modality, seed in product(settings.methods, settings.forget_modality, settings.all_seeds):
        found.append({"method": method, "forget_modality": modality, "seed": seed})
    return found


def _cell(cell: Cell) -> CellResult:
    """Memorize or unlearn, then ask about everybody through both modalities."""
    if cell.where["method"] == "base":
        return CellResult(predictions=_predicted(cell, None))
    trained = _trained(cell)
    return CellResult(predictions=_predicted(cell, trained), measurements=costs(trained, dict(cell.where)))


def _trained(cell: Cell) -> Done:
    settings, method, name = cell.settings, str(cell.where["method"]), cell_name(cell.where)
    if method in BASELINES:
        return memorized(
            cell,
            name,
            settings.rows("train"),
            whom="retain" if method == "retain_only" else "all",
            share=(0, 0.6),
            **(MEMORIZING | {"max_steps": settings.memorize_steps}),
        )
    start = cell.at(method="memorized", seed=cell.seed)
    learned = _trained(start)
    check_recalled(_predicted(start, learned), settings)
    return unlearned(
        cell,
        name,
        learned,
        settings.rows("train"),
        settings.rows("validation"),
        method=method,
        share=(0, 0.6),
        **(UNLEARNING | TUNED[method] | {"forget_modality": cell.where["forget_modality"]}),
    )


def _predicted(cell: Cell, trained: Done | None) -> Predictions:
    """Predictions, those about forgotten personas with their perplexity under a model that knows nobody."""
    cell.progress("querying", 0.6)
    query = Query(rows=cell.settings.rows("test"), metrics=_METRICS, perplexity=True)
    return predicted(cell, f"{cell_name(cell.where)}_predictions", query, trained)


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    for part, seeds in by_seed(predictions):
        limit = fluent_perplexity(part.where(method="retain_only"))
        against = Against(perplexity_limit=limit, refusals=REFUSALS)
        for hops in ((), ("hops",)) if len({one["hops"] for one in part}) > 1 else ((),):
            by = ("method", "forget_modality", "target", "group", *hops, *seeds)
            found = [
                *part.measure(_METRICS, by),
                *part.where(group="forget").measure(("forget_diagnosis",), by, against=against),
            ]
            yield from (one for one in found if one.metric in _KEPT)


def _notes(settings: CompareSettings, predictions: Predictions) -> Iterator[str]:
    yield (
        "Personas are memorized through both modalities by one adapter; every cell starts from it and keeps the same "
        "retained rows of both modalities; only the forgotten rows differ."
    )
    seen = {"recall": "validation views of the forgotten", "qa": "the very rows being unlearned"}
    yield f"Unlearning stops once recall on {seen[settings.dataset_config]}, in the modalities unlearned, is low."
    limit = fluent_perplexity(predictions.where(method="retain_only"))
    if limit is not None:
        yield (
            f"An answer is collapsed, too, above perplexity {limit:.4g} under the base model: {FLUENT_SHARE:.0%} of "
            "the retain-only model's answers about forgotten personas are below."
        )


STUDY = Study(
    name="compare",
    title="Unlearning methods side by side, through either modality and through both",
    paper="After Table 2 of ReMem (arXiv 2605.03759), on our own personas",
    settings=CompareSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda settings: tuple(dict.fromkeys(settings.rows("train").configs + settings.rows("test").configs)),
    measure=_measure,
    quick={"methods": ("gd", "npo"), "forget_modality": ("both",), "seeds": 1, "num_personas": 20},
    config=lambda settings: {
        "unlearning": {method: UNLEARNING | TUNED[method] for method in settings.methods},
        "memorizing": MEMORIZING | {"max_steps": settings.memorize_steps},
    },
    notes=_notes,
    uninterpretable=lambda record: not_memorized(
        record, *({"method": "memorized", "target": target, "hops": None} for target in MODALITIES)
    ),
)
