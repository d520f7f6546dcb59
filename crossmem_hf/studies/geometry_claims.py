# SPDX-License-Identifier: Apache-2.0
"""What is claimed of the shape of representations. It knows which numbers a claim is about, not how they are
measured."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.geometry_cells import LEARNED, PRETRAINING
from crossmem_hf.training.methods import METHODS

PAPER: Final = "Tracing the Representation Geometry of Language Models (arXiv 2509.23024)"
_LEARNING: Final = "Does learning open the space of representations?"
_UNLEARNING: Final = "Does unlearning open or close it, and for whom?"
_TELLS: Final = "Does it tell what attacks find?"
_PHASES: Final = "Has pre-training the three phases?"
_DIFFERS: Final = (
    "Theirs are language models of 160 million parameters and more over web text; ours is a vision-language model of "
    "two million over questions about people."
)


POINTS: Final = ("step-00000", "step-00100", "step-01600", "step-08000")
"""Of a pre-training, among those that the recipe keeps: untrained, after a few steps, in the middle, at the end."""


def geometry_claims(methods: Sequence[str], *, pretrained: bool) -> Iterator[Claim]:
    """All claims of some settings.

    Args:
        methods: Of unlearning.
        pretrained: Whether points of a pre-training are looked at.
    """
    for target in MODALITIES:
        yield _learning(target)
        for method in methods:
            yield _unlearning(method, target)
            yield _more_of_the_forgotten(method, target)
    if len(methods) > 2:
        yield _tells(tuple(methods))
    for target in MODALITIES if pretrained else ():
        yield from _phases(target)


def _rankme(find: Find, method: str, group: str, target: str) -> float:
    return find("rankme", part=LEARNED, method=method, group=group, target=target)


def _change(find: Find, method: str, group: str, target: str) -> float:
    return _rankme(find, method, group, target) - _rankme(find, "memorized", group, target)


def _learning(target: Modality) -> Claim:
    return Claim(
        sentence=f"Memorizing names raises RankMe of what is asked about them through {MODALITY_NAMES[target]}.",
        paper=PAPER,
        contrast=lambda find: fmean(
            _rankme(find, "memorized", group, target) - _rankme(find, "base", group, target)
            for group in ("forget", "retain")
        ),
        unit="states",
        question=_LEARNING,
        differs=_DIFFERS,
    )


def _unlearning(method: str, target: Modality) -> Claim:
    return Claim(
        sentence=f"{METHODS[method].name} raises RankMe of what is asked about the forgotten through "
        f"{MODALITY_NAMES[target]}.",
        paper="ours",
        contrast=lambda find: _change(find, method, "forget", target),
        unit="states",
        question=_UNLEARNING,
    )


def _more_of_the_forgotten(method: str, target: Modality) -> Claim:
    """Relatively, as there are fewer rows about the forgotten."""

    def contrast(find: Find) -> float:
        forget, retain = (
            abs(_change(find, method, group, target)) / _rankme(find, "memorized", group, target)
            for group in ("forget", "retain")
        )
        return forget - retain

    return Claim(
        sentence=f"{METHODS[method].name} changes RankMe of the forgotten by a greater share than of the retained "
        f"through {MODALITY_NAMES[target]}.",
        paper="ours",
        contrast=contrast,
        unit="ratio",
        question=_UNLEARNING,
        differs="There are four times as many retained people, whose states have more directions to begin with.",
    )


def _tells(methods: tuple[str, ...]) -> Claim:
    def contrast(find: Find) -> float | None:
        from scipy.stats import spearmanr

        changed = [fmean(_change(find, method, "forget", target) for target in MODALITIES) for method in methods]
        back = [find("extracted", part=LEARNED, method=method) for method in methods]
        if len(set(changed)) < 2 or len(set(back)) < 2:
            return None
        found: Any = spearmanr(changed, back).statistic
        return float(found)

    return Claim(
        sentence="The higher RankMe of the forgotten after a method, the more relearning of a part brings back.",
        paper="ours",
        contrast=contrast,
        unit="Spearman correlation over methods",
        within=(-1.0, 1.0),
        question=_TELLS,
    )


def _phases(target: Modality) -> Iterator[Claim]:
    """From each of `POINTS` to the next."""
    for earlier, later, rises, said in (
        (*POINTS[:2], False, "falls at the beginning"),
        (*POINTS[1:3], True, "then rises"),
        (*POINTS[2:], False, "falls in the end"),
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
            question=_PHASES,
            differs=f"{_DIFFERS} There is one pre-training: the interval is over people asked about.",
        )
