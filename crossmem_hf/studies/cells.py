# SPDX-License-Identifier: Apache-2.0
"""The blocks that cells are made of: predictions of a base, memorized, retain-only or unlearned model, as stages."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from crossmem_hf.data.configs.candidates import UNTAUGHT, other_names, recombined_names
from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.candidates import answers_by_attribute
from crossmem_hf.evaluation.predictions import FILE, Predictions
from crossmem_hf.models.embedded import DEFAULT_BASE, base_named
from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.runs.stages import Done, run_stage
from crossmem_hf.storage import fingerprint
from crossmem_hf.studies.adapters import AttributeRows, TrainingRows, depends, loaded
from crossmem_hf.studies.background_rows import UtilityRows

if TYPE_CHECKING:
    from crossmem_hf.analysis.attacks.table import Attack
    from crossmem_hf.data.spec import DatasetSpec
    from crossmem_hf.evaluation.evaluator import Evaluator
    from crossmem_hf.interventions.table import Defend
    from crossmem_hf.studies.settings import StudySettings
    from crossmem_hf.studies.study import Cell

UTILITY: Final = "utility"
"""The group of predictions about others than the personas."""
Prepare = Callable[[Any], Any]
"""Takes the loaded model and gives the one to ask, e.g. a quantized copy. A function of a module."""

Rivals = int | Literal["untaught", "recombined"]
"""What a truth is ranked among: see `Query`."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a model is asked.

    Attributes:
        rows: Whose answers are wanted.
        metrics: Names of `evaluation.measures.METRICS` that the predictions must serve.
        max_new_tokens: Where an answer is cut; None as `generate_answers` has it.
        batch_size: Prompts at a time.
        perplexity: Of answers about personas to forget, under the base model, too.
        group: Only rows about the personas to "forget", or to "retain".
        views: Only this many views (or sentence frames) a persona.
        rivals: What the truth is ranked among: values that nobody was taught, one fewer than personas, or so many
            names of that kind; or all first names of the personas with the last names of others ("recombined").
    """

    rows: TrainingRows | UtilityRows | AttributeRows
    metrics: tuple[str, ...]
    max_new_tokens: int | None = None
    batch_size: int | Literal["auto"] = "auto"
    perplexity: bool = False
    group: Literal["forget", "retain"] | None = None
    views: int | None = None
    rivals: Rivals = "untaught"


def predicted(
    cell: "Cell",
    name: str,
    query: Query,
    adapter: Done | None,
    *,
    prepare: Prepare | None = None,
    defense: "Defend | None" = None,
    attack: "Attack | None" = None,
    **columns: Value,
) -> Predictions:
    """The model's predictions, from disk if they were made before; a run that was killed goes on with the rest.

    Args:
        name: The stage's own.
        adapter: On top of the base model; None asks the base model.
        prepare: Changes the model before it is asked.
        defense: Made from that model and the rows about the personas to forget, e.g. ``DEFENSES["ban_answers"]``.
        attack: How the rows are asked, e.g. ``ATTACKS["sampling"]``, or a `functools.partial` of it.
        columns: Of every prediction, such as ``stage="base"``.
    """
    changes = {"prepare": prepare, "defense": defense, "attack": attack}
    inputs = depends(cell, __name__, *filter(None, changes.values())) | {
        "query": asdict(query),
        "adapter": adapter.fingerprint if adapter else None,
        **{what: _called(function) for what, function in changes.items()},
    }

    logs = cell.stages / f"{name}.logs"

    def compute(folder: Path) -> dict[str, Any]:
        evaluator = _evaluator(cell, query)
        model, processor = loaded(cell, adapter)
        prepared = model if prepare is None else prepare(model)
        asker = evaluator
        if defense is not None:
            asker, prepared = defense(prepared, processor, _forget(cell, evaluator)).applied(evaluator, prepared)
        kept: dict[str, Any] = {"output_dir": logs, "made_from": fingerprint(inputs)}
        if attack is None:
            found = asker(prepared, processor, **kept)
        else:
            found = attack(asker, prepared, processor, seed=cell.seed, **kept)
        if query.perplexity:
            base = model if adapter is None and not any(changes.values()) else loaded(cell, None)[0]
            found = evaluator.with_perplexity(found, base, processor)
        found.write(folder / FILE)
        return {"where": dict(cell.where)}

    done = run_stage(cell.stages / name, inputs, compute)
    shutil.rmtree(logs, ignore_errors=True)
    return Predictions.read(done.folder).with_columns(**columns)


def asked_of_others(cell: "Cell", name: str, adapter: Done | None, **columns: Value) -> Iterator[Predictions]:
    """What a model says of others than the personas (`background_rows.UtilityRows`), if its base is an embedded one.

    Args:
        name, adapter, columns: As of `predicted`.
    """
    if on_embedded(cell.settings):
        query = Query(rows=UtilityRows(), metrics=("utility",))
        yield predicted(cell, f"{name}_utility", query, adapter, group=UTILITY).with_columns(**columns)


def on_embedded(settings: "StudySettings") -> bool:
    """Whether the base is an embedded one."""
    return base_named(settings.model_name_or_path or DEFAULT_BASE) is not None


def nearest(cell: "Cell", query: Query, training: TrainingRows, **columns: Value) -> Predictions:
    """What the nearest training row answers (`evaluation.nearest`): recall without a model, to read recall against."""
    from crossmem_hf.evaluation.nearest import nearest_answers

    evaluator = _evaluator(cell, query)
    answers = nearest_answers(training.of(cell.settings.spec(cell.seed)), evaluator.rows)
    return evaluator.judged(answers).with_columns(**columns)


def _called(function: Callable[..., Any] | None) -> str | None:
    """A function of a module, with what a `functools.partial` gives it."""
    if function is None:
        return None
    if isinstance(function, partial):
        return f"{_called(function.func)}{function.args}{sorted(function.keywords.items())}"
    return f"{function.__module__}.{function.__qualname__}"


def _forget(cell: "Cell", evaluator: "Evaluator") -> Any:
    """Of the rows that are asked those about the personas to forget."""
    from crossmem_hf.data.selection import of_personas

    return of_personas(evaluator.rows, forgotten_ids(cell.settings.spec(cell.seed)))


def _evaluator(cell: "Cell", query: Query) -> "Evaluator":
    from crossmem_hf.data.selection import personas_of
    from crossmem_hf.evaluation.evaluator import Evaluator

    spec = cell.settings.spec(cell.seed)
    every = query.rows.of(spec)
    rows = _queried(query, every, spec)
    lists: dict[str, Any] = {}
    if isinstance(query.rows, TrainingRows):  # what the base knew before has no candidates
        lists = {"candidates": _taught(every, spec), "untaught": _untaught(query.rivals, spec)}
    return Evaluator(
        rows,
        metrics=query.metrics,
        **lists,
        forgotten=forgotten_ids(spec).intersection(personas_of(rows)),
        batch_size=query.batch_size,
        max_new_tokens=query.max_new_tokens,
    )


def _taught(rows: Any, spec: "DatasetSpec") -> dict[str, Sequence[str]]:
    """All answers to a question; the values of all personas where there is one answer, as nothing ranks in it."""
    values = _values("target", spec)
    return {name: own if len(own) > 1 else values[name] for name, own in answers_by_attribute(rows).items()}


def _values(split: str, spec: "DatasetSpec") -> dict[str, list[str]]:
    from crossmem_hf.data.loading import built_rows

    return {row["attribute"]: list(row["values"]) for row in built_rows("candidates", split, spec)}


def _untaught(rivals: Rivals, spec: "DatasetSpec") -> dict[str, list[str]]:
    if rivals == "untaught":
        return _values(UNTAUGHT, spec)
    return {"full_name": recombined_names(spec) if isinstance(rivals, str) else other_names(spec, rivals)}


def _queried(query: Query, rows: Any, spec: "DatasetSpec") -> Any:
    from crossmem_hf.data.selection import of_personas, personas_of

    if query.views is not None:
        views = rows["view"]
        first = set(sorted(set(views))[: query.views])
        rows = rows.select([number for number, view in enumerate(views) if view in first])
    if query.group is None:
        return rows
    forgotten = forgotten_ids(spec)
    return of_personas(rows, forgotten if query.group == "forget" else set(personas_of(rows)) - forgotten)


def costs(trained: Done, where: dict[str, Value]) -> tuple[Measurement, ...]:
    """Steps, time and memory of a training."""
    found = trained.result
    values = [
        ("steps", float(found["steps"]), "steps", "more training"),
        ("wall_s", round(found["cost"]["wall_s"], 2), "seconds", "more time"),
        ("cpu_s", round(found["cost"]["cpu_s"], 2), "seconds", "more time"),
        ("peak_mib", round(found["cost"]["peak_mib"], 1), "MiB", "more memory"),
    ]
    return tuple(
        Measurement(metric=metric, where=where, value=value, n=1, unit=unit, greater_means=means)
        for metric, value, unit, means in values
    )


def check_recalled(predictions: Predictions, settings: "StudySettings") -> None:
    """Refuse to unlearn what a memorized model does not know, unless allow_unmemorized is set.

    Raises:
        CrossmemError: Recall by some modality asked in is below min_recall.
    """
    recalls = {}
    for where, part in predictions.grouped(["target"]):
        recalls[where["target"]] = sum(one["correct"] for one in part) / len(part)
    if min(recalls.values()) < settings.min_recall and not settings.allow_unmemorized:
        said = ", ".join(f"{modality} {value:.2f}" for modality, value in recalls.items())
        raise CrossmemError(
            f"The personas were not memorized: recall {said}; expected {settings.min_recall} by each modality.",
            "Memorize longer (--memorize-steps), or pass --allow-unmemorized: the unknown cannot be unlearned.",
        )
