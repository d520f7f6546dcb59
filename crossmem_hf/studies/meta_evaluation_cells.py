# SPDX-License-Identifier: Apache-2.0
"""What cells of the study metric_meta_evaluation do: models that learned the people to forget, models that did not,
and models that unlearned them, are asked the same questions; some once more after relearning and after rounding. It
measures and claims nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from crossmem_hf.analysis.attacks.quantized import rounded
from crossmem_hf.analysis.attacks.weights import changed_weights
from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, at_step, memorized, unlearned
from crossmem_hf.studies.background_rows import Replay
from crossmem_hf.studies.cells import Query, on_embedded, predicted
from crossmem_hf.studies.curves import Views, baseline, check_memorized, step_at_matched_recall
from crossmem_hf.studies.study import Cell, CellResult, cell_name
from crossmem_hf.training.micro import MEMORIZING_REPLAYED, TUNED, UNLEARNING

if TYPE_CHECKING:
    from crossmem_hf.analysis.attacks.table import Attack
    from crossmem_hf.data.spec import DatasetSpec
    from crossmem_hf.evaluation.evaluator import Evaluator

PRESENT, ABSENT, UNLEARNED = "present", "absent", "unlearned"
"""Values of the column ``pool``: the people to forget were learned; they were not; they were, and were unlearned."""
RELEARNED, ROUNDED = "relearned", "rounded"
"""Values of the column ``changed``."""
RELEARNED_STEPS: Final = 10
"""An epoch of the rows about the people to forget, 16 at a time."""
RELEARNED_RATE: Final = 1e-3
ROUNDED_BITS: Final = 4
METRICS: Final = (
    *("recall", "partial_recall", "rouge", "exposure", "exposure_taught", "truth_ratio"),
    *("min_k_prob", "extraction_strength", "extraction_probability"),
)
"""That the predictions must serve."""

_NAMES = ("recall_image", "recall_text")
_TRAIN, _TEST = (TrainingRows(configs=_NAMES, split=split) for split in ("train", "test"))
_VIEWS = Views(forget=2, retain=1, whole=False)
_FORGET = Query(rows=_TEST, metrics=METRICS, group="forget", views=2)
_RETAINED = Query(rows=_TEST, metrics=("recall",), group="retain", views=1)


@dataclass(frozen=True)
class Way:
    """How a model of a pool learns.

    Attributes:
        configs: What it learns from.
        share: Of the usual steps.
        lora: Arguments of `memorize.language_lora` in the place of the usual ones.
    """

    configs: tuple[str, ...] = _NAMES
    share: float = 1.0
    lora: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


USUAL: Final = "usual"
WAYS: Final[Mapping[str, Way]] = MappingProxyType(
    {
        USUAL: Way(),
        "shorter": Way(share=0.5),
        "narrower": Way(lora=MappingProxyType({"r": 4, "alpha": 8})),
        "from_portraits": Way(configs=_NAMES[:1]),
        "from_descriptions": Way(configs=_NAMES[1:]),
    }
)
"""Name -> how models of either pool learn; in one modality alone, too, since what is known by one need not be said by
the other."""


def meta_evaluation_cell(cell: Cell) -> CellResult:
    """Learn, or learn and unlearn, and ask; the usual model that never learned the people also changed."""
    pool = cell.where["pool"]
    if pool == UNLEARNED:
        return _unlearned(cell, str(cell.where["method"]))
    way, name = str(cell.where["way"]), cell_name(cell.where)
    model = _learned(cell, way)
    found = [predicted(cell, name, _FORGET, model)]
    if (pool, way) == (ABSENT, USUAL):
        found += _changed(cell, model)
    return CellResult(predictions=Predictions.joined(found))


def _learned(cell: Cell, way: str) -> Done:
    """The usual ones are the memorized and the retain-only model from which, and beside which, methods unlearn."""
    method = "memorized" if cell.where["pool"] == PRESENT else "retain_only"
    if way == USUAL:
        found = baseline(cell.at(seed=cell.seed), method, _TRAIN)
        assert found is not None  # only the base is nothing
        return found
    how = WAYS[way]
    rows = replace(_TRAIN, configs=how.configs, besides=Replay() if on_embedded(cell.settings) else None)
    steps = max(1, round(how.share * MEMORIZING_REPLAYED["max_steps"]))
    whom: Literal["all", "retain"] = "all" if method == "memorized" else "retain"
    chosen = MEMORIZING_REPLAYED | {"max_steps": steps}
    return memorized(
        cell, f"{cell_name(cell.where)}_learned", rows, whom=whom, lora=how.lora, share=(0, 0.6), **chosen
    )


def _unlearned(cell: Cell, method: str) -> CellResult:
    learned = check_memorized(cell.at(seed=cell.seed), _TEST, _TRAIN, _VIEWS)
    steps, name = cell.settings.evaluate_at, cell_name(cell.where)
    chosen = UNLEARNING | TUNED[method] | {"forget_modality": "both", "max_steps": max(steps)}
    trained = unlearned(cell, f"{name}_learned", learned, _TRAIN, checkpoints=steps, method=method, **chosen)
    step = step_at_matched_recall(cell, trained, learned, _RETAINED, steps)
    model = at_step(trained, step) if step else learned
    found = [predicted(cell, name, _FORGET, model), *_changed(cell, model)]
    return CellResult(predictions=Predictions.joined(found).with_columns(matched_step=step))


def _changed(cell: Cell, model: Done) -> list[Predictions]:
    """What the model answers after relearning, and with its weights rounded."""
    spec = cell.settings.spec(cell.seed)
    changes: dict[str, Attack] = {
        RELEARNED: partial(after_relearning, spec=spec, rows=_TRAIN),
        ROUNDED: after_rounding,
    }
    return [
        predicted(cell, f"{cell_name(cell.where)}_{name}", _FORGET, model, attack=change, changed=name)
        for name, change in changes.items()
    ]


def after_relearning(
    evaluator: "Evaluator",
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    spec: "DatasetSpec",
    rows: TrainingRows,
) -> Predictions:
    """The evaluator's predictions of a model that has learned the rows about the people to forget again."""
    from crossmem_hf.data.selection import of_personas
    from crossmem_hf.training.relearning import relearned

    taught = of_personas(rows.of(spec), forgotten_ids(spec))
    with relearned(model, processor, taught, max_steps=RELEARNED_STEPS, learning_rate=RELEARNED_RATE, seed=seed):
        return evaluator(model, processor, output_dir=output_dir, made_from=made_from)


def after_rounding(
    evaluator: "Evaluator",
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """The evaluator's predictions of a model whose weights are rounded to `ROUNDED_BITS` bits."""
    with changed_weights(model, partial(rounded, bits=ROUNDED_BITS)):
        return evaluator(model, processor, output_dir=output_dir, made_from=made_from)
