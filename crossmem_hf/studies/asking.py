# SPDX-License-Identifier: Apache-2.0
"""Asking a model for everyone's name through both modalities. It knows answers one by one, not means."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.metrics.exposure.exposure_math import exposure_items
from crossmem_hf.metrics.matching import row_matches
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Modality
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers

ANSWER_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, its answer, and how likely the truth was among all names.

    Attributes:
        stage: ``"base"``, ``"memorized"`` or ``"unlearned"``.
        source: Modality learned through.
        target: Modality asked in.
        correct: The answer is the full name.
        exposure: 0 to 100 among all names of the run, per-token likelihoods; 100 = the truth is likeliest.
        rank: Of the truth among them, 1 = likeliest, in halves where it ties.
        num_candidates: How many names there are.
    """

    stage: str
    source: Modality
    target: Modality
    seed: int
    persona_id: str
    view: int
    question: str
    answer: str
    truth: str
    correct: bool
    exposure: float
    rank: float
    num_candidates: int

    def as_json(self) -> dict[str, Any]:
        """The fields as plain JSON types."""
        return asdict(self)


def asked_names(
    model: Any, processor: Any, spec: DatasetSpec, *, stage: str, source: Modality, targets: Sequence[Modality]
) -> list[Asked]:
    """Ask for every person's name on held-out views, in each of the target modalities."""
    names = [persona.full_name for persona in sample_personas(spec.num_personas, spec.seed)]
    asked: list[Asked] = []
    for target in targets:
        rows = list(built_rows(f"recall_{target}", "test", spec))
        answers = generate_answers(model, processor, rows, max_new_tokens=ANSWER_TOKENS, batch_size=128)
        scores = score_candidates(model, processor, rows, names)
        ranked = exposure_items(scores.nll_per_token, scores.truth_index)
        correct = row_matches(answers, [row["answer"] for row in rows])
        columns = zip(rows, answers, correct, ranked.exposure, ranked.rank, strict=True)
        for row, answer, right, exposure, rank in columns:
            asked.append(
                Asked(
                    stage=stage,
                    source=source,
                    target=target,
                    seed=spec.seed,
                    persona_id=row["persona_id"],
                    view=row["view"],
                    question=row["prompt"][0]["content"],
                    answer=answer,
                    truth=row["answer"],
                    correct=bool(right),
                    exposure=float(exposure),
                    rank=float(rank),
                    num_candidates=len(names),
                )
            )
    return asked
