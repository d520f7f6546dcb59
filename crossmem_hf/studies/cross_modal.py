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

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import bases
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
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, cell_name, not_memorized
from crossmem_hf.training.micro import settings_of

_BASES = bases()
_PLAIN: Where = {"arm": USUAL, "views": "test"} | dict.fromkeys(KEYS[5:])
"""Where the answers of the usual arm are, asked in the plain way."""


class CrossModalSettings(StudySettings):
    """Settings of `crossmem study cross_modal`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    bases: some_of(_BASES) = Field(  # type: ignore[valid-type]
        _BASES, description=f"Comma-separated: {', '.join(_BASES)}.", json_schema_extra=SELECTS
    )
    arms: some_of(tuple(ARMS)) = Field(  # type: ignore[valid-type]
        tuple(ARMS), description=f"Ways to learn, comma-separated: {', '.join(ARMS)}.", json_schema_extra=SELECTS
    )
    checkpoints: str | None = Field(
        None,
        description="Folder with points of a base's pre-training (step-*), which learn in the usual way, too.",
        json_schema_extra=SELECTS,
    )


def _grid(settings: CrossModalSettings) -> list[Where]:
    """The usual arm on every base; the others on the first of the main bases, or of those that were chosen."""
    first = next((base for base in MAIN_BASES if base in settings.bases), settings.bases[0])
    kept = sorted(Path(settings.checkpoints).glob("step-*/config.json")) if settings.checkpoints else []
    places = [(base, arm) for arm, base in product(settings.arms, settings.bases) if arm == USUAL or base == first]
    places += [(str(file.parent), USUAL) for file in kept]
    return [
        {"base": base, "arm": arm, "source": source, "seed": seed}
        for (base, arm), seed, source in product(places, settings.all_seeds, MODALITIES)
    ]


def _cell(cell: Cell) -> CellResult:
    """Memorize in the arm's way through the source modality, and ask through both."""
    base, arm, name = str(cell.where["base"]), str(cell.where["arm"]), _name(cell.where)
    source: Modality = "image" if cell.where["source"] == "image" else "text"
    here = replace(cell, settings=cell.settings.replaced(model_name_or_path=base, **ARMS[arm].settings))
    suited, spec = settings_of(base).memorizing, here.settings.spec(cell.seed)
    steps = arm_steps(arm, source, spec, base, suited["max_steps"])
    closely = arm == USUAL and base == MAIN_BASES[0]
    marks = {share: max(1, round(share * steps)) for share in CURVE} if closely else {}
    learned = memorized(
        here,
        name,
        arm_rows(arm, source, spec),
        lora=ARMS[arm].lora,
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
    claims=tuple(cross_modal_claims()),
    headline=(("recall", _PLAIN),),
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
            for base, one in product(record.config["bases"][:1], MODALITIES)
        ),
    ),
)
