# SPDX-License-Identifier: Apache-2.0
"""In which order are sequences with a rule and without memorized, and what is forgotten on the way? Claims of Panwar
et al., Transformers Seek Patterns (https://openreview.net/forum?id=98NrkXPRZ9), on tiny decoders. And in which order
are the names and facts of people, and through which modality first?

One training holds sequences of all kinds of patterns in equal parts, so that they are compared on the same steps. Ours
are shorter and fewer than theirs, and the models are three; no number here equals theirs. Another holds portraits and
descriptions of people, with questions for their names and for seven facts of each.
"""

from itertools import product

from pydantic import Field

from crossmem_hf.studies.dynamics_cells import SAME, SHORTEST, dynamics_cell
from crossmem_hf.studies.dynamics_claims import PATTERNS_PART, PERSONAS_PART, SIZES, dynamics_claims
from crossmem_hf.studies.dynamics_measures import sequences_measured
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Study, Where

_PARTS = (PATTERNS_PART, PERSONAS_PART)


class DynamicsSettings(StudySettings):
    """Settings of `crossmem study memorization_dynamics`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many seeds of sequences and weights, from --seed.", json_schema_extra=SELECTS
    )
    sizes: some_of(SIZES) = Field(  # type: ignore[valid-type]
        SIZES, description=f"Of decoders, comma-separated: {', '.join(SIZES)}.", json_schema_extra=SELECTS
    )
    parts: some_of(_PARTS) = Field(  # type: ignore[valid-type]
        _PARTS, description=f"Of what, comma-separated: {', '.join(_PARTS)}.", json_schema_extra=SELECTS
    )
    num_sequences: int = Field(32, ge=2, description="Trained on, of each kind.")
    num_held_out: int = Field(16, ge=1, description="Asked only, of each kind with enough of them.")
    longest: int = Field(64, ge=60, le=300, description=f"Characters of a sequence; the shortest has {SHORTEST}.")
    answer_chars: int = Field(10, ge=1, le=16, description="At its end, which must all be right.")
    train_steps: int = Field(600, ge=1, description="Optimizer steps.")
    train_batch_size: int = Field(32, ge=1, description="Sequences a step.")
    train_learning_rate: float = Field(1e-3, gt=0, description="Constant, as theirs.")
    look_every: int = Field(5, ge=1, description="Steps between two evaluations of sequences.")
    num_personas: int = Field(10, ge=1, description="Personas to memorize, a seed.")
    num_views: int = Field(1, ge=1, description="Training portraits (or descriptions) a persona.")
    qa_per_persona: int = Field(14, ge=1, description="Training questions a persona and modality, of the config qa.")
    single_hop_share: float = Field(0.5, ge=0, le=1, description="Share of them that name the persona.")
    people_steps: int = Field(400, ge=1, description="Optimizer steps in which people are memorized.")
    look_at_people_every: int = Field(8, ge=1, description="Steps between two evaluations of what is known of them.")


def _grid(settings: DynamicsSettings) -> list[Where]:
    found: list[Where] = []
    if PATTERNS_PART in settings.parts:
        sizes = product(settings.sizes, settings.all_seeds)
        found += [{"part": PATTERNS_PART, "size": size, "seed": seed} for size, seed in sizes]
    if PERSONAS_PART in settings.parts:
        found += [{"part": PERSONAS_PART, "seed": seed} for seed in settings.all_seeds]
    return found


STUDY = Study(
    name="memorization_dynamics",
    title="In which order are sequences with a rule and without memorized, and what is forgotten on the way?",
    paper="Panwar et al., Transformers Seek Patterns (https://openreview.net/forum?id=98NrkXPRZ9), on tiny decoders",
    settings=DynamicsSettings,
    grid=_grid,
    cell=dynamics_cell,
    configs=lambda settings: ("recall_image", "recall_text", "qa") if PERSONAS_PART in settings.parts else (),
    measure=sequences_measured,
    claims=lambda settings: dynamics_claims(settings.parts, settings.sizes),
    headline=(("memorized_by", {"split": SAME}), ("memorized_by", {"part": PERSONAS_PART}), ("memorized", {})),
    quick={"seeds": 1, "sizes": SIZES[:1], "train_steps": 300, "num_personas": 5, "people_steps": 100},
    notes=lambda settings, _: (
        f"Every {settings.look_every} steps each sequence is asked for its last {settings.answer_chars} characters; "
        "it is memorized if all are the likeliest. Held-out sequences follow the same rules and were not trained on.",
        "memorized_by is the step by which half of the sequences had been memorized once; "
        f"{settings.train_steps} also where fewer ever were, {settings.people_steps} of what is known of people.",
        f"Of people each training question is asked every {settings.look_at_people_every} steps; hops is 1 where it "
        "names the person or asks for the name, and 2 where it asks for a fact and names nobody.",
    ),
)
