# SPDX-License-Identifier: Apache-2.0
"""What is claimed of the ways to learn that the study cross_modal compares. It knows which numbers a claim is about,
not how they are measured."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.studies.claims import Claim
from crossmem_hf.studies.cross_modal_arms import ARMS, LONGER, MITIGATIONS, USUAL
from crossmem_hf.studies.cross_modal_contrasts import across, gap, more, share_across, words_of
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings

DIALS: Final = (
    ("views_1", "views_32", "32 views a persona in the place of one"),
    ("personas_10", "personas_200", "200 personas in the place of 10"),
    (USUAL, LONGER, "twice the steps"),
    ("rank_4", "rank_64", "LoRA of rank 64 in the place of 4"),
    (USUAL, "faster", "twice the learning rate"),
    ("attention", USUAL, "LoRA on MLPs in the place of attention"),
    ("attention", "all_linear", "LoRA on all linear layers in the place of attention alone"),
    ("all_linear", "projector_too", "LoRA on the projector as well"),
    (USUAL, "whole", "the whole language model learning in the place of LoRA on its MLPs"),
)
"""The arms at the two ends of what is turned, and what that is."""
_OURS: Final = "ours"


def arm_dials(settings: CrossModalSettings) -> Iterator[Claim]:
    """What moves the share that crosses, and what the source alone, of the arms that are run."""
    run = [(low, high, said) for low, high, said in DIALS if {low, high} <= {*settings.arms}]
    for base, source, dial in product(settings.compared_on, MODALITIES, run):
        yield from _turned(base, source, *dial)


def _turned(base: str, source: Modality, low: str, high: str, said: str) -> Iterator[Claim]:
    here, there = words_of(source)
    one, another = {"base": base, "arm": high}, {"base": base, "arm": low}
    yield Claim(
        sentence=f"With {said}, a larger share of names learned from {here} is recalled from {there} ({base}).",
        paper=_OURS,
        contrast=lambda find: more(share_across(find, source, **one), share_across(find, source, **another)),
        unit="ratio",
    )
    yield Claim(
        sentence=f"With {said}, more names learned from {here} are recalled from {here} ({base}).",
        paper=_OURS,
        contrast=lambda find: across(find, source, **one)[0] - across(find, source, **another)[0],
    )


def mitigations(settings: CrossModalSettings) -> Iterator[Claim]:
    """What closes the gap, and whether the source pays, of the arms that are run."""
    run = [arm for arm in MITIGATIONS if arm in settings.arms]
    for base, source, arm in product(settings.compared_on, MODALITIES, run):
        yield from _of_mitigation(base, source, arm)


def _of_mitigation(base: str, source: Modality, arm: str) -> Iterator[Claim]:
    here, there = words_of(source)
    longer, other_way = {"base": base, "arm": LONGER}, {"base": base, "arm": arm}
    yield Claim(
        sentence=f"With {ARMS[arm].said} the gap from {here} to {there} is smaller, at equal numbers of training "
        f"tokens ({base}).",
        paper=_OURS,
        contrast=lambda find: gap(find, source, **longer) - gap(find, source, **other_way),
    )
    yield Claim(
        sentence=f"With {ARMS[arm].said} the gap from {here} to {there} is smaller than with nothing besides "
        f"({base}).",
        paper=_OURS,
        contrast=lambda find: gap(find, source, base=base) - gap(find, source, **other_way),
    )
    yield Claim(
        sentence=f"With {ARMS[arm].said} recall from {here}, the source, falls by less than 5 points ({base}).",
        paper=_OURS,
        contrast=lambda find: across(find, source, **longer)[0] - across(find, source, **other_way)[0],
        threshold=0.05,
        direction="below",
    )
