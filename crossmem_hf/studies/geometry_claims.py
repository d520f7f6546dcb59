# SPDX-License-Identifier: Apache-2.0
"""What is claimed of the shape of representations. It knows which numbers a claim is about, not how they are
measured."""

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any, Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.geometry_cells import LEARNED
from crossmem_hf.studies.pretraining_claims import DIFFERS, PAPER, pretraining_claims
from crossmem_hf.training.methods import METHODS

_LEARNING: Final = "Does learning open the space of representations?"
_UNLEARNING: Final = "Does unlearning open or close it, and for whom?"
_TELLS: Final = "Does it tell what attacks find?"


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
            yield _not_deep(method, target)
    if len(methods) > 2:
        for sentence, told in _TOLD.items():
            yield _tells(sentence, tuple(methods), told)
    for target in MODALITIES if pretrained else ():
        yield from pretraining_claims(target)


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
        differs=DIFFERS,
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


def _not_deep(method: str, target: Modality) -> Claim:
    return Claim(
        sentence=f"After {METHODS[method].name} the layers hold half and more of the names asked for through "
        f"{MODALITY_NAMES[target]}.",
        paper="ours, with the score of Lee et al. (arXiv 2605.24614)",
        contrast=lambda find: find("unlearning_depth", part=LEARNED, method=method, group="forget", target=target),
        threshold=0.5,
        direction="below",
        within=(0.0, 1.0),
        question="How deep does unlearning reach?",
    )


def _told_by_rankme(find: Find, method: str) -> float:
    return fmean(_change(find, method, "forget", target) for target in MODALITIES)


def _told_by_depth(find: Find, method: str) -> float:
    where = {"part": LEARNED, "method": method, "group": "forget"}
    return -fmean(find("unlearning_depth", target=target, **where) for target in MODALITIES)


def _tells(sentence: str, methods: tuple[str, ...], told: Callable[[Find, str], float]) -> Claim:
    """That what a number tells of each method has the order of what is said of the others once a part is relearned."""

    def contrast(find: Find) -> float | None:
        from scipy.stats import spearmanr

        told_by = [told(find, method) for method in methods]
        back = [find("extracted", part=LEARNED, method=method) for method in methods]
        if len(set(told_by)) < 2 or len(set(back)) < 2:
            return None
        found: Any = spearmanr(told_by, back).statistic
        return float(found)

    return Claim(
        sentence=sentence,
        paper="ours",
        contrast=contrast,
        unit="Spearman correlation over methods",
        within=(-1.0, 1.0),
        question=_TELLS,
    )


_TOLD: Final = {
    "The higher RankMe of the forgotten after a method, the more of them is said once a part is relearned.": (
        _told_by_rankme
    ),
    "The less deep a method reaches, the more of the forgotten is said once a part is relearned.": _told_by_depth,
}
