# SPDX-License-Identifier: Apache-2.0
"""What happens to the shape of a model's states when it is pre-trained, memorizes people, and unlearns them? RankMe,
alpha-ReQ and the participation ratio, after "Tracing the Representation Geometry of Language Models"
(https://huggingface.co/papers/2509.23024), behind questions about those to forget and those to retain.

Attacked by relearning, so that it can be said whether the shape tells what an attack finds.
"""

from itertools import product
from pathlib import Path

from pydantic import Field

from crossmem_hf.report.record import BASELINES
from crossmem_hf.studies.curves import curve_notes
from crossmem_hf.studies.geometry_cells import (
    LEARNED,
    PRETRAINING,
    RANKS,
    geometry_cell,
    geometry_measurements,
)
from crossmem_hf.studies.geometry_claims import geometry_claims
from crossmem_hf.studies.pretraining_claims import PAPER
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.studies.study import Study, Where
from crossmem_hf.training.micro import TUNED, UNLEARNING

_METHODS = ("ga", "gd", "kl", "npo", "simnpo", "dpo", "idk", "rmu")


class GeometrySettings(StudySettings):
    """Settings of `crossmem study representation_geometry`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        _METHODS, description=f"Comma-separated: {', '.join(TUNED)}.", json_schema_extra=SELECTS
    )
    checkpoints: str | None = Field(
        None,
        description="Folder with points of a base's pre-training (step-*), whose states are looked at, too.",
        json_schema_extra=SELECTS,
    )
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (15, 30, 60), description="Steps of unlearning to choose from, comma-separated; the last ends it."
    )

    @property
    def points(self) -> tuple[str, ...]:
        """Names of the points of a pre-training, the first one first."""
        kept = Path(self.checkpoints).glob("step-*/config.json") if self.checkpoints else []
        return tuple(found.parent.name for found in sorted(kept))


def _grid(settings: GeometrySettings) -> list[Where]:
    learned = product((*BASELINES, *settings.methods), settings.all_seeds)
    found: list[Where] = [{"part": LEARNED, "method": method, "seed": seed} for method, seed in learned]
    points = product(settings.points, settings.all_seeds)
    return found + [{"part": PRETRAINING, "point": point, "seed": seed} for point, seed in points]


STUDY = Study(
    name="representation_geometry",
    title="What happens to the shape of a model's states when it learns people and unlearns them?",
    paper=f"{PAPER}, on our own models and personas",
    settings=GeometrySettings,
    grid=_grid,
    cell=geometry_cell,
    configs=lambda _: ("recall_image", "recall_text"),
    measure=geometry_measurements,
    claims=lambda settings: geometry_claims(settings.methods, pretrained=settings.checkpoints is not None),
    headline=(("rankme", {"part": LEARNED}),),
    quick={"methods": ("gd", "npo"), "seeds": 1},
    config=lambda settings: {
        "unlearning": {
            name: UNLEARNING | TUNED[name] | {"max_steps": max(settings.evaluate_at)} for name in settings.methods
        },
    },
    notes=lambda settings, _: (
        "States are those of the last token of each question, behind the final norm; the spectrum is of their "
        f"covariance over views of all people of a group, its fall fitted between ranks {RANKS[0]} and {RANKS[1]}.",
        "unlearning_depth is what the memorized model loses of the answer with the states of the unlearned one in "
        "place of its own, of what it loses with those of the retain-only model: 0 if all is there, 1 if nothing is.",
        "recall is what is said of four fifths of the forgotten, and extracted what is once the others are relearned.",
        *curve_notes(settings.evaluate_at),
    ),
)
