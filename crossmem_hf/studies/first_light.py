# SPDX-License-Identifier: Apache-2.0
"""Personas learned through one modality, asked through both, unlearned, and asked again: their names, and one private
fact each.

Protocol of Wen et al. 2025 (arXiv 2506.05198) on our own personas: recall in a 2x2 of learned and asked modality, then
NPO unlearning in the source modality; Exposure after ReMem (arXiv 2605.03759), and its questions about facts, with the
name (one hop) and without (two hops). Their prompts, attributes and numbers of views are not known; ours are in
`prompts` and here, and no number equals theirs.
"""

from collections.abc import Iterator
from dataclasses import replace

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import DEFAULT_BASE
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import NEAREST, Measurement
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, at_step, memorized, unlearned
from crossmem_hf.studies.cells import UTILITY, Query, asked_of_others, nearest, predicted
from crossmem_hf.studies.first_light_claims import WEN, recall_claims
from crossmem_hf.studies.settings import TrainingSettings
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, measured_by, not_memorized, pooled

_NAMES, _FACTS = (tuple(f"{kind}_{modality}" for modality in MODALITIES) for kind in ("recall", "fact"))
_METRICS = ("recall", "gap", "transfer", "exposure", "exposure_taught", "partial_recall", "name_shaped")
_PLAIN: Where = {"group": None, "hops": None}
_OF_NAMES = Query(
    rows=TrainingRows(configs=_NAMES, split="test"), metrics=("recall", "exposure", "exposure_taught"), batch_size=128
)
_OF_FACTS = Query(rows=TrainingRows(configs=_FACTS, split="test"), metrics=("recall",), batch_size=128)
_RANKED = replace(_OF_FACTS, metrics=("exposure",), group="forget")


def _grid(settings: TrainingSettings) -> list[Where]:
    return [{"source": source, "seed": seed} for seed in settings.all_seeds for source in MODALITIES]


def _cell(cell: Cell) -> CellResult:
    """Memorize through the source modality, ask, unlearn through it, ask again."""
    source, name = str(cell.where["source"]), f"{cell.where['source']}_seed{cell.seed}"
    own = f"recall_{source}"
    train, steps = TrainingRows(configs=(own, f"fact_{source}"), split="train"), cell.settings.evaluate_at
    base: list[Predictions] = []
    if source == MODALITIES[0]:  # the other cell of the seed learns meanwhile, and finds these answers at its end
        base = _of_base(cell)
    learned = memorized(
        cell.at(stage="memorized", **cell.where),
        f"memorized_{name}",
        train,
        share=(0.1, 0.4),
        **cell.settings.memorizing(),
    )
    cell.progress("memorized: querying", 0.4)
    found = [*_asked(cell, f"memorized_{name}", learned, stage="memorized")]
    forgot = unlearned(
        cell.at(stage="unlearned", **cell.where),
        f"unlearned_{name}",
        learned,
        train,
        method="npo",
        checkpoints=steps,
        share=(0.6, 0.8),
        **cell.settings.unlearning(),
    )
    for step in steps[:-1]:
        cell.progress(f"unlearned, step {step}: querying", 0.8)
        asked = f"unlearned_{name}_step{step}_names"
        found.append(predicted(cell, asked, _OF_NAMES, at_step(forgot, step), stage="unlearned", step=step))
    cell.progress("unlearned: querying", 0.9)
    found += _asked(cell, f"unlearned_{name}", at_step(forgot, steps[-1]), stage="unlearned")
    return CellResult(predictions=Predictions.joined([*(base or _of_base(cell)), _without_a_model(cell, own), *found]))


def _of_base(cell: Cell) -> list[Predictions]:
    cell.progress("base: querying", 0.0 if cell.where["source"] == MODALITIES[0] else 0.95)
    return [*_asked(cell, f"base_seed{cell.seed}", None, stage="base")]


def _asked(cell: Cell, name: str, adapter: Done | None, stage: str) -> Iterator[Predictions]:
    """Names; facts; the ranks of those to forget; what an embedded base knew of others."""
    for what, query in (("names", _OF_NAMES), ("facts", _OF_FACTS), ("facts_ranked", _RANKED)):
        yield predicted(cell, f"{name}_{what}", query, adapter, stage=stage)
    yield from asked_of_others(cell, name, adapter, stage=stage)


def _without_a_model(cell: Cell, config: str) -> Predictions:
    query = Query(rows=TrainingRows(configs=(config,), split="test"), metrics=("recall",))
    return nearest(cell, query, TrainingRows(configs=(config,), split="train"), stage=NEAREST)


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    """Names, without the key ``hops``, and facts, with it; of others, ``utility``."""
    by = ("stage", "step", "source", "target")
    others = predictions.where(group=UTILITY)
    yield from others.measure(("utility",), ("stage", "source", *pooled(others)))
    predictions = Predictions(one for one in predictions if one.get("group") != UTILITY)
    names = predictions.where(attribute="full_name")
    yield from measured_by(_METRICS[:1], by, keep=_METRICS[:1])(names.where(stage=NEAREST))
    names = Predictions(one for one in names if one["stage"] != NEAREST)
    yield from measured_by(_METRICS, by, (*by, "group"), keep=_METRICS)(names)
    facts = [one for one in predictions if one["attribute"] != "full_name"]
    said, ranked = (Predictions(one for one in facts if column in one) for column in ("answer", "truth_rank"))
    yield from measured_by(_METRICS[:2], (*by, "hops"), (*by, "hops", "group"), keep=_METRICS[:2])(said)
    yield from measured_by(("exposure",), (*by, "hops", "group"), keep=("exposure",))(ranked)


def _notes(settings: TrainingSettings, predictions: Predictions) -> Iterator[str]:
    yield (
        "Recall is the exact full name, or fact, on held-out views, frames and wordings; Exposure ranks the true name "
        "among as many that nobody was taught, by per-token likelihood, end of turn included."
    )
    yield f"Unlearning runs {max(settings.evaluate_at)} steps, whatever it does; numbers with a step are on the way."
    if predictions.where(group=UTILITY):
        yield (
            "Utility is what an embedded base knows of others than the personas: visual attributes, names, and "
            "refusals to name strangers. Memorizing asks of nobody else: what is lost there, unlearning has not lost."
        )


STUDY = Study(
    name="first_light",
    title="Personas memorized through one modality, asked through both, and unlearned: names and private facts",
    paper=f"After {WEN} and ReMem (arXiv 2605.03759), on our own personas",
    settings=TrainingSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: (*_NAMES, *_FACTS),
    measure=_measure,
    claims=lambda _: (*recall_claims("Names", None), *recall_claims("Private facts", 1, 2)),
    headline=(
        ("recall", {**_PLAIN, "stage": "memorized"}),
        ("recall", {"stage": "unlearned", "group": "forget", "step": None, "hops": None}),
        ("recall", {"stage": "unlearned", "group": "retain", "step": None, "hops": None}),
        ("exposure", {"stage": "memorized", "group": "forget", "hops": None}),
        ("exposure", {"stage": "unlearned", "group": "forget", "step": None, "hops": None}),
        *(("recall", {"stage": "memorized", "group": None, "hops": hops}) for hops in (1, 2)),
        *(("recall", {"stage": "unlearned", "group": "forget", "hops": hops}) for hops in (1, 2)),
        ("utility", {}),
    ),
    quick={"num_personas": 20, "seeds": 1},
    config=lambda settings: {"base": settings.model_name_or_path or DEFAULT_BASE},
    notes=_notes,
    personas=True,
    uninterpretable=lambda record: not_memorized(
        record,
        *({"stage": "memorized", "source": one, "target": one, "group": None, "hops": None} for one in MODALITIES),
    ),
)
