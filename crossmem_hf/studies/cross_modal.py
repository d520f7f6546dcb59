# SPDX-License-Identifier: Apache-2.0
"""Does what is learned through one modality reach the other? Every claim of Wen et al. 2025 (arXiv 2506.05198) about
learning, on our own personas and base models; the ways to learn are in `cross_modal_arms`, the claims in
`cross_modal_claims`.

Their prompts, attributes, numbers of views and settings are not known; ours are in `prompts` and here, and no number
equals theirs.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.adapters import memorized
from crossmem_hf.studies.cells import costs
from crossmem_hf.studies.cross_modal_arms import (
    ARMS,
    CURVE,
    LONGER,
    MAIN_BASES,
    USUAL,
    arm_contrast,
    arm_rows,
    arm_steps,
    paired_personas,
)
from crossmem_hf.studies.cross_modal_claims import cross_modal_claims
from crossmem_hf.studies.cross_modal_queries import BOTH, KEYS, asked, asked_closely, asked_widely, measured
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings
from crossmem_hf.studies.study import Cell, CellResult, Study, Training, Where, cell_name, not_memorized

_PLAIN: Where = {"arm": USUAL, "views": "test"} | dict.fromkeys(KEYS[5:])
"""Where the answers of the usual arm are, asked in the plain way."""


def _grid(settings: CrossModalSettings) -> list[Where]:
    """The usual arm on every base; the others on the first main one."""
    first = next(base for base in settings.all_bases if Path(base).name == settings.main_bases[0])
    kept = sorted(Path(settings.checkpoints).glob("step-*/config.json")) if settings.checkpoints else []
    places = [(base, arm) for arm, base in product(settings.arms, settings.all_bases) if arm == USUAL or base == first]
    places += [(str(file.parent), USUAL) for file in kept]
    return [
        {"base": base, "arm": arm, "source": source, "seed": seed}
        for (base, arm), seed, source in product(places, settings.all_seeds, MODALITIES)
    ]


def _cell(cell: Cell) -> CellResult:
    """Memorize in the arm's way through the source modality, and ask through both."""
    base, arm, name, source = str(cell.where["base"]), str(cell.where["arm"]), _name(cell.where), _source(cell.where)
    here = replace(cell, settings=cell.settings.replaced(model_name_or_path=base, **ARMS[arm].settings))
    suited, spec = cell.settings.memorizing(base), here.settings.spec(cell.seed)
    steps = arm_steps(arm, source, spec, base, suited["max_steps"])
    closely = arm == USUAL and Path(base).name == cell.settings.main_bases[0]
    marks = {share: max(1, round(share * steps)) for share in CURVE} if closely else {}
    learned = memorized(
        here,
        name,
        arm_rows(arm, source, spec),
        lora=cell.settings.lora(arm),
        contrast=arm_contrast(arm, source),
        checkpoints=sorted(set(marks.values())),
        **(suited | {"max_steps": steps}),
    )
    cell.progress("querying", 0.5)
    found = [asked(here, name, learned)]
    if arm == USUAL:
        found += asked_widely(here, name, source, learned)
    if closely:
        found += asked_closely(here, name, learned, marks)
    paired = paired_personas(arm, source, spec)
    return CellResult(
        predictions=Predictions(one for one in Predictions.joined(found) if one["persona_id"] not in paired),
        measurements=costs(learned, {**cell.where, "base": Path(base).name}),
    )


def _training(settings: CrossModalSettings, where: Where) -> Training:
    base, arm, source = str(where["base"]), str(where["arm"]), _source(where)
    spec = settings.replaced(**ARMS[arm].settings).spec(int(where["seed"] or 0))
    suited = settings.memorizing(base)
    return Training(
        rows=arm_rows(arm, source, spec).of(spec),
        steps=arm_steps(arm, source, spec, base, suited["max_steps"]),
        batch_size=suited["per_device_train_batch_size"],
        batches=suited.get("gradient_accumulation_steps", 1),
        lora={"target_modules": settings.lora_target_modules, **settings.lora(arm)},
    )


def _source(where: Where) -> Modality:
    return "image" if where["source"] == "image" else "text"


def _name(where: Where) -> str:
    return cell_name({**where, "base": Path(str(where["base"])).name})


def _measure(predictions: Predictions) -> list[Measurement]:
    """A point of a pre-training is called as its folder is, wherever that was."""
    return list(measured(Predictions({**one, "base": Path(one["base"]).name} for one in predictions)))


STUDY = Study(
    name="cross_modal",
    title="Does what is learned through one modality reach the other?",
    paper="Wen et al. 2025 (arXiv 2506.05198), on our own personas and base models",
    settings=CrossModalSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: (*BOTH, *(f"{config}/far" for config in BOTH), "captions"),
    measure=_measure,
    claims=lambda settings: cross_modal_claims(settings.main_bases),
    headline=(("recall", _PLAIN),),
    training=_training,
    config=lambda settings: {"main_bases": list(settings.main_bases)},
    quick={"seeds": 1, "bases": MAIN_BASES[:1], "arms": (USUAL, LONGER, "captions_of_them"), "num_personas": 20},
    notes=lambda settings, _: (
        "Every arm takes as many steps a persona, at the settings of the base; longer, and the mitigations that are "
        "compared with it, have twice the training tokens of usual.",
        "Of paired_10 and paired_30 only personas whose names were learned through one modality count.",
        "What is ranked among other names, and what is asked during training, is asked of one view.",
    ),
    uninterpretable=lambda record: not_memorized(
        record,
        *(
            {**_PLAIN, "base": base, "source": one, "target": one}
            for base, one in product(record.config["main_bases"][:1], MODALITIES)
        ),
    ),
)
