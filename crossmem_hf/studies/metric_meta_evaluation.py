# SPDX-License-Identifier: Apache-2.0
"""Which metric to believe: every number of every metric is held to models of which it is known whether they learned
people, and to what it says of unlearned ones before and after what they hide is brought back.

After the meta-evaluation of OpenUnlearning (arXiv 2506.12618), for names that are learned, and asked for, through
pictures and words. Faithfulness is the AUROC between models that learned the people to forget and models that did not;
robustness is to relearning and to rounding, each beside the retain-only model under the same change; trust is their
harmonic mean, as theirs is.
"""

from itertools import product

from pydantic import Field

from crossmem_hf.studies.curves import curve_notes
from crossmem_hf.studies.meta_evaluation_cells import (
    ABSENT,
    PRESENT,
    RELEARNED_RATE,
    RELEARNED_STEPS,
    ROUNDED_BITS,
    UNLEARNED,
    WAYS,
    meta_evaluation_cell,
)
from crossmem_hf.studies.meta_evaluation_claims import meta_evaluation_claims
from crossmem_hf.studies.meta_evaluation_measures import FAITHFUL, TRUST, meta_evaluation_measurements
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.studies.study import Study, Where
from crossmem_hf.training.micro import TUNED, UNLEARNING

_METHODS = ("gd", "kl", "npo", "simnpo", "idk", "dpo", "rmu")


class MetaEvaluationSettings(StudySettings):
    """Settings of `crossmem study metric_meta_evaluation`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    ways: some_of(tuple(WAYS)) = Field(  # type: ignore[valid-type]
        tuple(WAYS), description=f"How models of the pools learn: {', '.join(WAYS)}.", json_schema_extra=SELECTS
    )
    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        _METHODS, description=f"Comma-separated: {', '.join(TUNED)}.", json_schema_extra=SELECTS
    )
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (15, 30, 60), description="Steps of unlearning to choose from, comma-separated; the last ends it."
    )


def _grid(settings: MetaEvaluationSettings) -> list[Where]:
    pools = product((PRESENT, ABSENT), settings.ways, settings.all_seeds)
    found: list[Where] = [{"pool": pool, "way": way, "seed": seed} for pool, way, seed in pools]
    unlearned = product(settings.methods, settings.all_seeds)
    return found + [{"pool": UNLEARNED, "method": method, "seed": seed} for method, seed in unlearned]


STUDY = Study(
    name="metric_meta_evaluation",
    title="Which metric to believe: does it tell who learned people, and does it see what unlearned models hide?",
    paper="OpenUnlearning (arXiv 2506.12618) and Open-MMUnlearning (arXiv 2610.10358), on our own personas and models",
    settings=MetaEvaluationSettings,
    grid=_grid,
    cell=meta_evaluation_cell,
    configs=lambda _: ("recall_image", "recall_text"),
    measure=meta_evaluation_measurements,
    claims=lambda _: meta_evaluation_claims(),
    headline=((FAITHFUL, {}), (TRUST, {})),
    quick={"seeds": 1, "num_personas": 20, "methods": ("gd", "npo"), "ways": ("usual", "shorter")},
    config=lambda settings: {
        "unlearning": {
            name: UNLEARNING | TUNED[name] | {"max_steps": max(settings.evaluate_at)} for name in settings.methods
        },
        "relearning": {"max_steps": RELEARNED_STEPS, "learning_rate": RELEARNED_RATE},
        "bits": ROUNDED_BITS,
    },
    notes=lambda settings, _: (
        "faithfulness is the AUROC of a number, in the direction in which more is known, between the models that "
        "learned the people to forget and those that did not; of a seed as many of either as there are ways to learn. "
        "forget_quality compares with the usual model that never learned them, so it is held to one model of either "
        "fewer, and not asked how robust it is.",
        "robust_to_relearning and robust_to_rounding are 1 less the share of what tells the memorized model from the "
        "retain-only one, by which a number rises more in unlearned models, on average, than in the retain-only one "
        "when all are changed: 1 has seen before what the change brings back. trust is the harmonic mean of "
        "faithfulness and of the harmonic mean of the two.",
        *curve_notes(settings.evaluate_at),
    ),
)
