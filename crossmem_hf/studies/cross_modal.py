# SPDX-License-Identifier: Apache-2.0
"""Does what is learned through one modality reach the other? Every claim of Wen et al. 2025 (arXiv 2506.05198) about
learning, on our own personas and base models; the ways to learn are in `cross_modal_arms`, what a cell does in
`cross_modal_cells`, what is measured in `cross_modal_measures`, the claims in `cross_modal_claims`.

Their prompts, attributes, numbers of views and settings are not known; ours are in `prompts` and here, and no number
equals theirs.
"""

from itertools import product
from pathlib import Path

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.studies.cross_modal_arms import ARMS, ARMS_ON, LONGER, MAIN_BASES, USUAL, arm_rows, arm_steps
from crossmem_hf.studies.cross_modal_cells import BOTH, FACTS, cross_modal_cell, source_of
from crossmem_hf.studies.cross_modal_claims import cross_modal_claims
from crossmem_hf.studies.cross_modal_measures import KEYS, cross_modal_measurements
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings
from crossmem_hf.studies.study import Study, Training, Where, not_memorized

_PLAIN: Where = {"arm": USUAL, "views": "test"} | dict.fromkeys(KEYS[5:])
"""Where the answers of the usual arm are, asked in the plain way."""


def _grid(settings: CrossModalSettings) -> list[Where]:
    """The usual arm on every base, and on points of a pre-training; the others on those that they are compared on, or
    on their own."""
    places = [
        (base, arm)
        for arm, base in product(settings.arms, settings.all_bases)
        if arm == USUAL or Path(base).name in (ARMS[arm].bases or settings.compared_on)
    ]
    places += [(str(folder), USUAL) for folder in settings.points]
    return [
        {"base": base, "arm": arm, "source": source, "seed": seed}
        for (base, arm), seed, source in product(places, settings.all_seeds, MODALITIES)
    ]


def _training(settings: CrossModalSettings, where: Where) -> Training:
    base, arm, source = str(where["base"]), str(where["arm"]), source_of(where)
    spec = settings.replaced(**ARMS[arm].settings).spec(int(where["seed"] or 0))
    suited = settings.memorizing(base, arm)
    return Training(
        rows=arm_rows(arm, source, spec).of(spec),
        steps=arm_steps(arm, source, spec, base, suited["max_steps"]),
        batch_size=suited["per_device_train_batch_size"],
        batches=suited.get("gradient_accumulation_steps", 1),
        lora={"target_modules": settings.lora_target_modules, **settings.lora(arm)},
    )


STUDY = Study(
    name="cross_modal",
    title="Does what is learned through one modality reach the other?",
    paper="Wen et al. 2025 (arXiv 2506.05198), on our own personas and base models",
    settings=CrossModalSettings,
    grid=_grid,
    cell=cross_modal_cell,
    configs=lambda _: (*BOTH, *(f"{config}/far" for config in BOTH), "captions", *FACTS),
    measure=cross_modal_measurements,
    claims=cross_modal_claims,
    headline=(("recall", _PLAIN),),
    training=_training,
    config=lambda settings: {"main_bases": list(settings.main_bases), "compared_on": list(settings.compared_on)},
    quick={
        "seeds": 1,
        "bases": (MAIN_BASES[0], ARMS_ON),
        "arms": (USUAL, LONGER, "captions_of_them"),
        "num_personas": 20,
    },
    notes=lambda settings, _: (
        "Every arm takes as many steps a persona, at the settings of the base, but the learning rate of whole is its "
        "own; longer, and the mitigations that are compared with it, have twice the training tokens of usual.",
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
