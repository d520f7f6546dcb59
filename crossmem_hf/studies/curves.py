# SPDX-License-Identifier: Apache-2.0
"""Unlearning followed along its steps, on a budget that no rule cuts short. It knows no study.

Where a rule stops a training, what is left of the forgotten is the rule's doing as much as the method's. So adapters
are kept at fixed steps, each is queried, and methods are compared along the steps, and at equal retained recall.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.report.record import BASELINES, Measurement
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, at_step, memorized, unlearned
from crossmem_hf.studies.background_rows import Replay
from crossmem_hf.studies.cells import UTILITY, Query, asked_of_others, check_recalled, on_embedded, predicted
from crossmem_hf.studies.study import Cell, Where, cell_name
from crossmem_hf.training.micro import MEMORIZING_REPLAYED

FORGET_METRICS: Final = ("recall", "partial_recall", "exposure", "exposure_taught")
"""What predictions about the personas to forget must serve; of those to retain only recall is read."""
MATCHED_SHARE: Final = 0.9
"""Of the memorized model's recall of the retained: where methods are matched, each keeps at least this."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """In how many views the personas are queried; None is all.

    Attributes:
        whole: The perplexity of answers and what the model knows of others are asked for, too.
    """

    forget: int | None = None
    retain: int | None = None
    whole: bool = True


EVERY_VIEW: Final = Views()


def unlearning_grid(settings: Any) -> list[Where]:
    """The baselines of each seed, and each of the settings' methods through each of their modalities."""
    found: list[Where] = [{"method": name, "seed": seed} for name, seed in product(BASELINES, settings.all_seeds)]
    for method, modality, seed in product(settings.methods, settings.forget_modality, settings.all_seeds):
        found.append({"method": method, "forget_modality": modality, "seed": seed})
    return found


def baseline(cell: Cell, method: str, rows: TrainingRows, **chosen: Any) -> Done | None:
    """The memorized or the retain-only model of a seed; None for the base, which has learned nobody. What an embedded
    base knew before is asked again meanwhile (`background_rows.Replay`).

    Args:
        rows: What is learned, through both modalities.
        chosen: In the place of `micro.MEMORIZING_REPLAYED`.
    """
    if method == "base":
        return None
    place = model_of(cell, method)
    whom: Any = "retain" if method == "retain_only" else "all"
    if on_embedded(cell.settings):
        rows = replace(rows, besides=Replay())
    return memorized(place, cell_name(place.where), rows, whom=whom, share=(0, 0.6), **(MEMORIZING_REPLAYED | chosen))


def model_of(cell: Cell, method: str) -> Cell:
    """Where a baseline has its stages: what of the cell is about unlearning left out."""
    kept = {name: value for name, value in cell.where.items() if name not in ("method", "forget_modality", "trial")}
    return cell.at(method=method, **kept)


def queried(cell: Cell, name: str, adapter: Done | None, rows: TrainingRows, views: Views) -> Predictions:
    """What a model answers about the personas to forget, ranked, about those to retain, and, where the base is an
    embedded one, about others (the group `cells.UTILITY`).

    Args:
        name: Of its stages.
        rows: Of both modalities.
    """
    cell.progress("querying", 0.6)
    forget = Query(rows=rows, metrics=FORGET_METRICS, perplexity=views.whole, group="forget", views=views.forget)
    retain = replace(forget, metrics=("recall",), perplexity=False, group="retain", views=views.retain)
    found = [predicted(cell, f"{name}_{query.group}", query, adapter) for query in (forget, retain)]
    if views.whole:
        found += asked_of_others(cell, name, adapter)
    return Predictions.joined(found)


def followed(
    cell: Cell,
    learned: Done,
    rows: TrainingRows,
    asked: TrainingRows,
    steps: Sequence[int],
    views: Views,
    **chosen: Any,
) -> tuple[Done, Predictions]:
    """An unlearning of so many steps as the last of `steps`, and predictions at each, with the column ``step``.

    Args:
        learned: The memorized adapter.
        rows: What is forgotten and retained.
        asked: What is queried.
        chosen: For `adapters.unlearned`.

    Raises:
        BrokenDownError: Weights ceased to be numbers before the first of the steps.
    """
    name = cell_name(cell.where)
    trained = unlearned(
        cell, name, learned, rows, checkpoints=steps, share=(0, 0.6), **(chosen | {"max_steps": max(steps)})
    )
    parts: list[Predictions] = []
    for step in sorted(steps):
        reached = at_step(trained, step)
        if parts and reached.result["failed"]:
            break
        parts.append(queried(cell, f"{name}_step{step}", reached, asked, views).with_columns(step=step))
    return trained, Predictions.joined(parts)


def check_memorized(cell: Cell, asked: TrainingRows, rows: TrainingRows, views: Views, **chosen: Any) -> Done:
    """The memorized adapter of the cell's seed, if it knows its personas.

    Raises:
        CrossmemError: It does not: see `cells.check_recalled`.
    """
    place = model_of(cell, "memorized")
    learned = baseline(cell, "memorized", rows, **chosen)
    assert learned is not None  # only the base is nothing
    known = queried(place, cell_name(place.where), learned, asked, views)
    check_recalled(Predictions(one for one in known if one["group"] != UTILITY), cell.settings)
    return learned


def at_matched_recall(predictions: Predictions, share: float = MATCHED_SHARE) -> Predictions:
    """The predictions of each method, modality and seed at the last of its steps at which its recall of the retained
    is at least a share of the memorized model's (it may have been lower before); the memorized model's own where it
    is at none.

    Args:
        predictions: Of all cells, with the columns method, seed and group, and step where something was unlearned.
        share: 0 to 1.

    Returns:
        Of the baselines all, of the others as above, each with the column ``matched_step`` (0 is the memorized model)
        in the place of ``step``.
    """
    return Predictions.joined(_matched(predictions, share))


def _matched(predictions: Predictions, share: float) -> Iterator[Predictions]:
    baselines = Predictions(one for one in predictions if one.get("step") is None)
    memorized_by_seed = {where["seed"]: part for where, part in baselines.where(method="memorized").grouped(["seed"])}
    yield baselines
    along = Predictions(one for one in predictions if one.get("step") is not None)
    for where, part in along.grouped(["method", "forget_modality", "trial", "seed"]):
        start = memorized_by_seed.get(where["seed"])
        if start is None:
            continue
        kept, reached, floor = start, 0, share * _retained_recall(start)
        for at, queried_there in part.grouped(["step"]):
            if _retained_recall(queried_there) >= floor:
                kept, reached = queried_there, int(at["step"] or 0)
        yield kept.with_columns(**where, step=None, matched_step=reached)


def step_at_matched_recall(cell: Cell, trained: Done, learned: Done, query: Query, steps: Sequence[int]) -> int:
    """The step that `at_matched_recall` finds of one unlearning, of which nothing but the retained is asked on the
    way; 0 is the memorized model.

    Args:
        trained: The unlearning, with adapters at these steps.
        learned: The memorized adapter.
        query: Of the personas to retain.

    Raises:
        BrokenDownError: Weights ceased to be numbers before the first of the steps.
    """
    name, start = cell_name(cell.where), cell_name(model_of(cell, "memorized").where)
    said = [predicted(cell, f"{start}_retained", query, learned, method="memorized")]
    for step in sorted(steps):
        reached = at_step(trained, step)
        if said[1:] and reached.result["failed"]:
            break
        said.append(predicted(cell, f"{name}_step{step}", query, reached, method="unlearned", step=step))
    matched = at_matched_recall(Predictions.joined(said).with_columns(seed=cell.seed))
    return int(matched.where(method="unlearned")[0]["matched_step"])


def matched_steps(matched: Predictions) -> Iterator[Measurement]:
    """How many steps those are, of each method, modality and seed."""
    keys = ("method", "forget_modality", "seed")
    for where, part in Predictions(one for one in matched if one.get("matched_step") is not None).grouped(keys):
        step = float(part[0]["matched_step"])
        yield Measurement(
            metric="matched_step", where=where, value=step, n=1, unit="steps", greater_means="more unlearning"
        )


def curve_notes(steps: Sequence[int]) -> Iterator[str]:
    """What readers must know of numbers along steps, a sentence or two each."""
    yield (
        f"Every unlearning runs {max(steps)} steps, whatever it does, and is queried after "
        f"{', '.join(map(str, steps))}. A number without a step is at matched retained recall: seed by seed, at the "
        f"last of these steps at which recall of the retained is at least {MATCHED_SHARE:.0%} of the memorized "
        "model's, before unlearning where it is at none."
    )
    yield (
        "exposure ranks the truth among values that no model was taught, exposure_taught among those of all personas "
        "of the seed, which were taught too."
    )


def _retained_recall(predictions: Iterable[Prediction]) -> float:
    right: list[bool] = [one["correct"] for one in predictions if one["group"] == "retain"]
    return sum(right) / max(1, len(right))
