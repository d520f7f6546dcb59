# SPDX-License-Identifier: Apache-2.0
"""What is claimed of recall within and across modalities, of names and of private facts. It knows which numbers claims
are about, not how they are measured."""

from collections.abc import Iterator
from functools import partial
from statistics import fmean
from typing import Final

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find

WEN: Final = "Wen et al. 2025 (arXiv 2506.05198)"
_Hops = tuple[int | None, ...]


def recall_claims(what: str, *hops: int | None) -> Iterator[Claim]:
    """Two claims a modality learned through: a gap to the other one, and what unlearning leaves in the other one.

    Args:
        what: "Names" or "Private facts".
        hops: Of the questions, whose mean is taken; None for measurements without that key.

    Example:
        >>> next(recall_claims("Names", None)).sentence
        'Names learned from portraits are recalled less from descriptions.'
    """
    for verb, crossing, contrast, threshold in (
        ("learned from", "recalled less", _gap, 0.0),
        ("unlearned through", "still recalled", _left, 0.05),
    ):
        for source, target in (MODALITIES, MODALITIES[::-1]):
            yield Claim(
                sentence=f"{what} {verb} {MODALITY_NAMES[source]} are {crossing} from {MODALITY_NAMES[target]}.",
                paper=WEN,
                contrast=partial(contrast, source, target, hops),
                threshold=threshold,
            )


def _gap(source: str, target: str, hops: _Hops, find: Find) -> float:
    """Recall in the source modality less that in the other."""
    same, other = (_recall(find, hops, stage="memorized", source=source, target=one) for one in (source, target))
    return same - other


def _left(source: str, target: str, hops: _Hops, find: Find) -> float:
    """Recall of the forget set in the other modality."""
    return _recall(find, hops, stage="unlearned", source=source, target=target, group="forget")


def _recall(find: Find, hops: _Hops, **where: str) -> float:
    return fmean(find("recall", **where, **({} if hop is None else {"hops": hop})) for hop in hops)
