# SPDX-License-Identifier: Apache-2.0
"""What cells of the study remem do: facts are memorized in some composition and asked along the way; or unlearned, and
asked, traced and brought back. It measures and claims nothing, so that a claim can be added and no model has to learn
again."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from crossmem_hf.analysis.causal_tracing import trace
from crossmem_hf.analysis.corruptions import Corruption, Kind
from crossmem_hf.analysis.transplanting import Donor, transplanted
from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import BASELINES
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, at_step, memorized, unlearned
from crossmem_hf.studies.cells import Query, asked_of_others, costs, on_embedded, predicted
from crossmem_hf.studies.curves import Views, baseline, check_memorized, step_at_matched_recall
from crossmem_hf.studies.learning import FACTS
from crossmem_hf.studies.remem_settings import EPOCHS, Composition, RememSettings
from crossmem_hf.studies.statement_rows import KnownFactRows, StatementRows
from crossmem_hf.studies.study import Cell, CellResult, Where, cell_name
from crossmem_hf.training.micro import FACT_LORA

if TYPE_CHECKING:
    from crossmem_hf.evaluation.evaluator import Evaluator

UNDER_TRAINED: Final = "under_trained"
"""A baseline more: the memorized model as it was after an eighth of its training."""
STARTS: Final = (*BASELINES, UNDER_TRAINED)
TRAINING, HELD_OUT, STATEMENT, KNOWN = "training", "held-out", "statement", "known"
"""Values of the column ``asked``: rows that were learned from; new questions about new portraits; the same as
statements that an answer completes; and such statements about those whose facts the base knew before."""
CHOSEN, MATCHED = "chosen", "matched"
"""Values of the column ``read``: an unlearned model after the number of steps that was chosen for its method, and at
matched retained recall (`curves.at_matched_recall`)."""
CORRUPTED: Final[tuple[Kind, ...]] = ("subject", "picture")
"""What is corrupted where answers are traced."""

_RETAIN_EVAL = TrainingRows(configs=("qa",), split="retain_eval", modality="image", share=0.5)
_FORGET = TrainingRows(configs=("qa",), split="forget", modality="image")
_NEW = TrainingRows(configs=("qa_test",), split="forget+retain", modality="image")
_NEW_FORGET = TrainingRows(configs=("qa_test",), split="forget")
_STATED = StatementRows(configs=("qa_test",), split="forget", modality="image")
_SAID = ("recall", "rouge")
_RANKED = ("exposure", "exposure_taught", "min_k_prob")
_VIEWS = Views(forget=2, retain=1, whole=False)
_RETAINED = Query(rows=_NEW, metrics=("recall",), group="retain", views=2)


def remem_cell(cell: Cell) -> CellResult:
    """Memorize and ask along the way; or ask a baseline or an unlearned model all there is."""
    if cell.where["part"] == "memorizing":
        return _memorizing(cell)
    return _unlearning(cell)


def composition_of(where: Where) -> Composition:
    """What a memorizing cell learns from."""
    pictures, questions, single_hop = (int(where[key] or 0) for key in ("pictures", "questions", "single_hop"))
    return Composition(pictures=pictures, questions=questions, single_hop=single_hop)


def memorizing_steps(settings: RememSettings, where: Where) -> list[int]:
    """After which a memorizing cell is asked: at the end of each of `EPOCHS`, or once, after as many as the
    composition of ReMem has in all of them."""
    chosen = settings.memorizing(str(where["base"]))
    at_once = chosen["per_device_train_batch_size"] * chosen.get("gradient_accumulation_steps", 1)
    as_many = where["budget"] == "steps"
    questions = Composition().questions if as_many else composition_of(where).questions
    steps = [max(1, round(epochs * settings.num_personas * questions / at_once)) for epochs in EPOCHS]
    return steps[-1:] if as_many else steps


def _memorizing(cell: Cell) -> CellResult:
    settings: RememSettings = cell.settings
    base, name, steps = str(cell.where["base"]), cell_name(cell.where), memorizing_steps(cell.settings, cell.where)
    composed = composition_of(cell.where).settings()
    here = replace(cell, settings=settings.replaced(model_name_or_path=base, **composed))
    learned = memorized(
        here,
        name,
        FACTS,
        lora=FACT_LORA,
        checkpoints=sorted(set(steps[:-1])),
        share=(0.0, 0.6),
        **(settings.memorizing(base) | {"max_steps": steps[-1]}),
    )
    found = []
    points = [*zip(EPOCHS, steps, strict=True)] if len(steps) > 1 else [(None, steps[-1])]
    if composition_of(cell.where).single_hop != Composition().single_hop:  # these are compared at the end
        points = points[-1:]
    for epochs, step in points:
        reached = learned if step == steps[-1] else at_step(learned, step)
        for asked, rows, views in ((TRAINING, _RETAIN_EVAL, None), (HELD_OUT, _NEW, 2)):
            query = Query(rows=rows, metrics=(*_SAID, "min_k_prob"), views=views)
            stage = cell_name({"cell": name, "step": step, "asked": asked})
            found.append(predicted(here, stage, query, reached, asked=asked, epochs=epochs))
    return CellResult(predictions=Predictions.joined(found), measurements=costs(learned, dict(cell.where)))


def _unlearning(cell: Cell) -> CellResult:
    """Learn, or unlearn up to the chosen step and up to matched retained recall; and ask, in the part unlearning also
    trace and bring back.

    The memorized model is that of every forget set, so neither name nor settings of its stages tell of one.
    """
    base, method, percent = str(cell.where["base"]), str(cell.where["method"]), int(cell.where["forget"] or 0)
    settings: RememSettings = cell.settings.replaced(model_name_or_path=base)
    whole = replace(cell, settings=settings).at(method=method, base=base, seed=cell.seed)
    here = replace(cell, settings=settings.replaced(forget_fraction=percent / 100))
    if method not in STARTS:
        return _unlearned(whole, here, method)
    model = _start(here if method == "retain_only" else whole, method)
    traced = _traced(here, model) if model and cell.where["part"] == "unlearning" else ()
    return CellResult(predictions=Predictions.joined([*_asked(here, model), *traced]))


def _start(cell: Cell, method: str) -> Done | None:
    """The model of one of `STARTS`."""
    known = "memorized" if method == UNDER_TRAINED else method
    found = baseline(cell, known, FACTS, **_memorized_as(cell.settings, known))
    return at_step(found, early(cell.settings)) if found and method == UNDER_TRAINED else found


def _memorized_as(settings: RememSettings, method: str = "memorized") -> dict[str, Any]:
    """How a baseline learns."""
    chosen = settings.memorizing(str(settings.model_name_or_path)) | {"max_steps": settings.memorize_steps}
    return chosen | {"lora": FACT_LORA, "checkpoints": [early(settings)] if method == "memorized" else []}


def early(settings: RememSettings) -> int:
    """The step after which the memorizing model is the under-trained one."""
    return max(1, settings.memorize_steps // 8)


def _unlearned(whole: Cell, here: Cell, method: str) -> CellResult:
    """The model after the chosen steps and at matched retained recall, asked; the first with weights of the memorized
    one in it, and traced, too."""
    settings: RememSettings = here.settings
    learned = check_memorized(whole, _NEW, FACTS, _VIEWS, **_memorized_as(whole.settings))
    chosen = settings.unlearning(method)
    trained = unlearned(
        here,
        cell_name(here.where),
        learned,
        FACTS,
        checkpoints=settings.evaluate_at,
        share=(0, 0.5),
        method=method,
        **chosen,
    )
    matched = step_at_matched_recall(here, trained, learned, _RETAINED, settings.evaluate_at)
    numbers = [step for step in settings.evaluate_at if not at_step(trained, step).result["failed"]]
    chosen_at = max((step for step in numbers if step <= settings.chosen_step(method)), default=0)
    reads = {CHOSEN: chosen_at, MATCHED: matched}
    found = [_read(here, trained, learned, step).with_columns(read=read, step=step) for read, step in reads.items()]
    if here.where["part"] == "unlearning":
        model = at_step(trained, chosen_at) if chosen_at else learned
        inside = [*_traced(here, model), *_brought_back(here, model, learned)]
        found += [one.with_columns(read=CHOSEN, step=chosen_at) for one in inside]
    return CellResult(predictions=Predictions.joined(found), measurements=costs(trained, dict(here.where)))


def _read(cell: Cell, trained: Done, learned: Done, step: int) -> Predictions:
    """All that the model of a step is asked; 0 is the memorized model, which is asked it in a cell of its own."""
    if step:
        found = _asked(cell, at_step(trained, step), f"{cell_name(cell.where)}_step{step}")
    else:
        found = _asked(replace(cell, where={**cell.where, "method": "memorized"}), learned)
    return Predictions(one for part in found for one in part if one.get("group") != KNOWN)


def _asked(cell: Cell, model: Done | None, name: str = "") -> Iterator[Predictions]:
    """All that a model is asked: rows learned from, new ones, statements, others than the personas.

    Args:
        name: Of its stages; empty for the cell's.
    """
    name, known = name or cell_name(cell.where), cell.where["method"] in ("base", "memorized")
    queries: list[tuple[str, str, Query]] = [
        (TRAINING, "retain", Query(rows=_RETAIN_EVAL, metrics=_SAID)),
        (TRAINING, "forget", Query(rows=_FORGET, metrics=_SAID)),
        (HELD_OUT, "forget", Query(rows=_NEW_FORGET, metrics=("recall", *_RANKED))),
        (STATEMENT, "forget", Query(rows=_STATED, metrics=_RANKED)),
    ]
    for place, (asked, group, query) in enumerate(queries):
        cell.progress(f"{asked}: querying", 0.6 + 0.05 * place)
        yield predicted(cell, f"{name}_{asked}_{group}", query, model, asked=asked)
    yield from asked_of_others(cell, name, model)
    if known and on_embedded(cell.settings):
        rows: Any = KnownFactRows(modality="image")
        query = Query(rows=rows, metrics=("min_k_prob",))
        yield predicted(cell, f"{name}_known", query, model, asked=KNOWN, group=KNOWN)


def _traced(cell: Cell, model: Done) -> Iterator[Predictions]:
    """Where the answers come from."""
    query = Query(rows=replace(_NEW_FORGET, modality="image"), metrics=("recall",), views=1)
    several = len(forgotten_ids(cell.settings.spec(cell.seed))) > 1  # or there is no other picture to show
    for place, kind in enumerate(CORRUPTED if several else ()):
        cell.progress(f"{kind}: tracing", 0.85 + 0.05 * place)
        stage = f"{cell_name(cell.where)}_traced_{kind}"
        yield predicted(cell, stage, query, model, attack=partial(traced_places, kind=kind))


def _brought_back(cell: Cell, model: Done, memorized_one: Done) -> Iterator[Predictions]:
    """What comes back with weights of the memorized model, of MLPs and of attention, in all layers or in one."""
    query = Query(rows=replace(_NEW_FORGET, modality="image"), metrics=("recall",), views=2)
    donor = Donor(memorized_one.folder, memorized_one.fingerprint, cell.settings.model_name_or_path)
    every = tuple(range(num_layers(cell.settings.model_name_or_path)))
    for part, layers in [("attention", every), ("mlp", every), *(("mlp", (layer,)) for layer in every)]:
        where = "all" if layers == every else str(layers[0])
        prepare = partial(transplanted, donor=donor, layers=layers, part=part)
        stage = cell_name({**cell.where, "part": part, "layers": where})
        found = predicted(cell, f"{stage}_transplanted", query, model, prepare=prepare)
        yield found.with_columns(asked=HELD_OUT, transplanted=part, layers=where)


def traced_places(
    evaluator: "Evaluator",
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | None = None,
    made_from: str | None = None,
    kind: Kind = "subject",
) -> Predictions:
    """What `causal_tracing.trace` finds in the evaluator's rows, in the form of an attack; a prediction a row and
    place, and one a row."""
    log = None if output_dir is None else output_dir / "trace"
    found = trace(model, processor, evaluator.rows, Corruption(kind=kind), results_log=log, made_from=made_from or "")
    return found.with_columns(group="forget")


def num_layers(base: str | None) -> int:
    """Of the language model of a base."""
    from crossmem_hf.models.loading import load_model
    from crossmem_hf.models.modules import text_layers

    return len(text_layers(load_model(base)[0]))
