# SPDX-License-Identifier: Apache-2.0
"""What is claimed of the shape of representations through a base's own pre-training. It knows which numbers a claim is
about, not how they are measured."""

from collections.abc import Iterator
from statistics import fmean
from typing import Final

from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.geometry_cells import PRETRAINING

PAPER: Final = "Tracing the Representation Geometry of Language Models (arXiv 2509.23024)"
DIFFERS: Final = (
    "Theirs are language models of 160 million parameters and more over web text; ours is a vision-language model of "
    "two million over questions about people."
)
POINTS: Final = ("step-00000", "step-00100", "step-01600", "step-08000")
"""Of a pre-training, among those that the recipe keeps: untrained, after a few steps, in the middle, at the end."""


def pretraining_claims(target: Modality) -> Iterator[Claim]:
    """From each of `POINTS` to the next."""
    for earlier, later, rises, said in (
        (*POINTS[:2], False, "falls at the beginning"),
        (*POINTS[1:3], True, "rises in the middle"),
        (*POINTS[2:], False, "falls at the end"),
    ):

        def contrast(find: Find, earlier: str = earlier, later: str = later, rises: bool = rises) -> float:
            risen = fmean(
                find("rankme", part=PRETRAINING, point=later, group=group, target=target)
                - find("rankme", part=PRETRAINING, point=earlier, group=group, target=target)
                for group in ("forget", "retain")
            )
            return risen if rises else -risen

        yield Claim(
            sentence=f"RankMe of questions about strangers through {MODALITY_NAMES[target]} {said} of pre-training.",
            paper=PAPER,
            contrast=contrast,
            unit="states",
            question="Has pre-training the three phases?",
            differs=f"{DIFFERS} There is one pre-training: the interval is over people asked about.",
        )
