# SPDX-License-Identifier: Apache-2.0
"""What is claimed of unlearned models under attack: gone, masked or damaged. It knows which numbers a claim is about,
not how they are measured."""

from collections.abc import Iterable
from statistics import fmean
from typing import Final

from crossmem_hf.analysis.attack_run import PLAIN
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.training.methods import METHODS

ANY: Final = "any"
"""Value of the column ``attack`` where all count together."""
WORST: Final = "residual_worst"
"""What the attack leaves that leaves most in the other seeds."""
RANK: Final = "residual_rank"
ALONE: Final = "told_alone"
"""What one attack tells of what all tell."""
MARGIN: Final = 0.05
"""What counts as nothing left, and as no damage."""
_OURS = "ours"
_QUESTION = "Is it gone, masked, or was the model damaged?"


def residual_claims(methods: Iterable[str]) -> tuple[Claim, ...]:
    """Three claims a method that forgets through both modalities, and one about forgetting through one alone.

    Example:
        >>> residual_claims(["npo"])[0].sentence
        'After NPO all attacks together get out less than 5 points more than from the retain-only model.'
    """
    return tuple(claim(method) for claim in (_gone, _masked, _damaged, _one_way) for method in methods)


def _left(find: Find, method: str, attack: str, through: str = "both") -> float:
    return find("residual", method=method, forget_modality=through, attack=attack)


def _gone(method: str) -> Claim:
    return Claim(
        sentence=f"After {METHODS[method].name} all attacks together get out less than {MARGIN * 100:.0f} points more "
        "than from the retain-only model.",
        paper=_OURS,
        question=_QUESTION,
        contrast=lambda find: _left(find, method, ANY),
        threshold=MARGIN,
        direction="below",
    )


def _masked(method: str) -> Claim:
    return Claim(
        sentence=f"After {METHODS[method].name} attacks get out what the model does not say when it is asked.",
        paper=_OURS,
        question=_QUESTION,
        contrast=lambda find: _left(find, method, ANY) - _left(find, method, PLAIN),
    )


def _damaged(method: str) -> Claim:
    return Claim(
        sentence=f"{METHODS[method].name} costs less than {MARGIN * 100:.0f} points of utility.",
        paper=_OURS,
        question=_QUESTION,
        contrast=lambda find: (
            find("utility", method="memorized") - find("utility", method=method, forget_modality="both")
        ),
        threshold=MARGIN,
        direction="below",
    )


def _one_way(method: str) -> Claim:
    return Claim(
        sentence=f"After {METHODS[method].name} through one modality all attacks together get out more, asked through "
        "both, than after it through both.",
        paper=_OURS,
        question="Does forgetting through one modality leave more to attacks?",
        contrast=lambda find: (
            fmean(_left(find, method, ANY, through) for through in MODALITIES) - _left(find, method, ANY)
        ),
    )
