# SPDX-License-Identifier: Apache-2.0
"""A study for tests: cells that train nothing and answer at once, some of which fail as their settings say."""

import os

from pydantic import Field

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import Claim
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import CellResult, Study, measured_by

METHODS = ("known", "forgotten")


class TinySettings(StudySettings):
    """How much is known, and which cells fail."""

    methods: some_of(METHODS) = Field(METHODS, description="Which methods.", json_schema_extra=SELECTS)
    known: int = Field(4, ge=0, le=4, description="How many of four personas the method known knows.")
    failing: str = Field("", description="Method whose cells raise.", json_schema_extra=SELECTS)
    broken: str = Field("", description="Method whose training breaks down.")
    killed: str = Field("", description="Method whose process dies.", json_schema_extra=SELECTS)


def grid(settings):
    return [{"method": method, "seed": seed} for seed in settings.all_seeds for method in settings.methods]


def cell(cell):
    settings, method = cell.settings, cell.where["method"]
    if method == settings.killed:
        os._exit(9)
    if method == settings.failing:
        raise CrossmemError("No memory left.", "Buy some.")
    if method == settings.broken:
        return CellResult(failed="Weights ceased to be numbers.")
    known = settings.known if method == "known" else 0
    cost = Measurement(metric="cpu_s", where=dict(cell.where), value=2.0, n=1, unit="seconds")
    return CellResult(
        predictions=Predictions(
            {
                "persona_id": f"p{cell.seed}-{number}",
                "attribute": "full_name",
                "modality": "text",
                "group": "retain",
                "truth": f"Ada {number}",
                "answer": f"Ada {number}" if number < known else "Bo",
                "correct": number < known,
                "num_candidates": 4,
            }
            for number in range(4)
        ),
        measurements=(cost,),
        notes=(f"{method} of seed {cell.seed} was asked.",),
    )


STUDY = Study(
    name="tiny",
    title="Nothing is trained",
    paper="planted",
    settings=TinySettings,
    grid=grid,
    cell=cell,
    configs=lambda _: ("candidates",),
    measure=measured_by(("recall",), ("method",), keep=("recall",)),
    claims=lambda _: (
        Claim(
            sentence="Known is known better than forgotten.",
            paper="planted",
            contrast=lambda find: find("recall", method="known") - find("recall", method="forgotten"),
        ),
        Claim(
            sentence="Forgotten is known better than known.",
            paper="planted",
            contrast=lambda find: find("recall", method="forgotten") - find("recall", method="known"),
        ),
        Claim(
            sentence="Known is known better than itself.",
            paper="planted",
            contrast=lambda find: find("recall", method="known") - find("recall", method="known"),
        ),
    ),
    quick={"seeds": 1},
    config=lambda settings: {"about": "tests"},
    notes=lambda settings, predictions: (f"{len(predictions)} answers.",),
)
