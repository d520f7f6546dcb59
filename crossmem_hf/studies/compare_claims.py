# SPDX-License-Identifier: Apache-2.0
"""What is claimed of unlearning methods, each at matched retained recall. It knows which numbers a claim is about, not
how they are measured."""

from collections.abc import Iterable

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.training.methods import METHODS

_WEN = "Wen et al. 2025 (arXiv 2506.05198)"
_REMEM = "ReMem (arXiv 2605.03759)"


def unlearning_claims(methods: Iterable[str]) -> tuple[Claim, ...]:
    """Three claims a method: what one modality leaves in the other, less than in its own and above the retain-only
    model, and what both leave above that.

    Example:
        >>> unlearning_claims(["npo"])[2].sentence
        "NPO through both modalities leaves Exposure above the retain-only model's."
    """
    claims = (_other_modality, _other_above_retain_only, _above_retain_only)
    return tuple(claim(method) for claim in claims for method in methods)


def _other_modality(method: str) -> Claim:
    def contrast(find: Find) -> float:
        """Exposure asked in the other modality less that in the one unlearned through, mean of both directions."""
        found = [
            find("exposure", method=method, forget_modality=one, target=other, group="forget")
            - find("exposure", method=method, forget_modality=one, target=one, group="forget")
            for one, other in (MODALITIES, MODALITIES[::-1])
        ]
        return sum(found) / len(found)

    name = METHODS[method].name
    return Claim(
        sentence=f"Names unlearned with {name} through one modality keep a higher Exposure in the other.",
        paper=_WEN,
        contrast=contrast,
        unit="points of Exposure",
    )


def _other_above_retain_only(method: str) -> Claim:
    def contrast(find: Find) -> float:
        """Exposure asked in the other modality less that of the retain-only model, mean of both directions."""
        found = [
            find("exposure", method=method, forget_modality=one, target=other, group="forget")
            - find("exposure", method="retain_only", target=other, group="forget")
            for one, other in (MODALITIES, MODALITIES[::-1])
        ]
        return sum(found) / len(found)

    return Claim(
        sentence=f"{METHODS[method].name} through one modality leaves Exposure in the other above the retain-only "
        "model's.",
        paper=_WEN,
        contrast=contrast,
        unit="points of Exposure",
    )


def _above_retain_only(method: str) -> Claim:
    def contrast(find: Find) -> float:
        """Exposure less that of the retain-only model, mean over the modalities asked in."""
        found = [
            find("exposure", method=method, forget_modality="both", target=target, group="forget")
            - find("exposure", method="retain_only", target=target, group="forget")
            for target in MODALITIES
        ]
        return sum(found) / len(found)

    return Claim(
        sentence=f"{METHODS[method].name} through both modalities leaves Exposure above the retain-only model's.",
        paper=_REMEM,
        contrast=contrast,
        unit="points of Exposure",
    )
