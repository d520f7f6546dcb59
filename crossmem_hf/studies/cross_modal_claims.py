# SPDX-License-Identifier: Apache-2.0
"""What is claimed of recall across modalities. It knows which numbers a claim is about, not how they are measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product, starmap
from typing import Any, Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.cross_modal_arms import ARMS, CURVE, DIALS, LONGER, MITIGATIONS, USUAL
from crossmem_hf.studies.cross_modal_queries import AMONG, DESCRIBED

_WEN, _OURS = "Wen et al. 2025 (arXiv 2506.05198)", "ours"


def _across(find: Find, source: Modality, measured: str = "recall", /, **where: Value) -> tuple[float, float]:
    """What is measured in the modality learned from, and in the other; on the first base, unless another is named."""
    usual: dict[str, Value] = {"arm": USUAL, "views": "test", "source": source, **where}
    return find(measured, target=source, **usual), find(measured, target=other(source), **usual)


def _gap(find: Find, source: Modality, **where: Value) -> float:
    here, there = _across(find, source, **where)
    return here - there


def _transfer(find: Find, source: Modality, **where: Value) -> float:
    here, there = _across(find, source, **where)
    return there / here


def _words(source: Modality) -> tuple[str, str]:
    return MODALITY_NAMES[source], MODALITY_NAMES[other(source)]


def cross_modal_claims(bases: Sequence[str]) -> Iterator[Claim]:
    """The claims, those of one question together.

    Args:
        bases: The main ones; most claims are about the first.
    """
    for claim in _claims(bases):
        yield replace(claim, contrast=partial(_on_a_base, claim.contrast, bases[0]))


def _on_a_base(contrast: Callable[[Find], float | None], first: str, find: Find) -> float | None:
    """What is looked up is of the first base where no base is named."""
    return contrast(lambda metric, **where: find(metric, **({"base": first} | where)))


def _claims(bases: Sequence[str]) -> Iterator[Claim]:
    """Question by question, each with what differs from the paper."""
    for question, (differs, claims) in _QUESTIONS.items():
        for claim in claims(bases):
            yield replace(claim, question=question, differs=differs)


def _of_learning(source: Modality, base: str, views: str) -> Claim:
    (here, there), held_out = _words(source), "near" if views == "test" else "far"
    return Claim(
        sentence=f"Names learned from {here} are recalled less from {there} ({base}, {held_out} views).",
        paper=_WEN,
        contrast=lambda find: _gap(find, source, base=base, views=views),
    )


def _said_or_known(source: Modality, among: str | None) -> Claim:
    here, there = _words(source)

    def contrast(find: Find) -> float:
        where: dict[str, Value] = {} if among is None else {"among": among}
        return _across(find, source, "still_known_unsaid", **where)[1] / (1 - _across(find, source, **where)[1])

    rivals = {None: "as many untaught names as personas", "recombined": "taught first and last names, recombined"}
    return Claim(
        sentence=f"Names learned from {here} and not said from {there} mostly rank first among "
        f"{rivals.get(among, f'{among} untaught names')}.",
        paper=_OURS,
        contrast=contrast,
        threshold=0.5,
    )


def _never_caught_up(source: Modality) -> Claim:
    here, there = _words(source)

    def contrast(find: Find) -> float | None:
        """The least gap along the way, from where half of the final recall is reached."""
        usual = _across(find, source)[0]
        along = [_across(find, source, trained=share) for share in CURVE]
        return min((one - two for one, two in along if one >= usual / 2), default=None)

    sentence = f"While names are learned from {here}, recall from {there} never catches up."
    return Claim(sentence=sentence, paper=_WEN, contrast=contrast)


def _turned(source: Modality, low: str, high: str, said: str) -> Claim:
    here, there = _words(source)
    return Claim(
        sentence=f"With {said}, a larger share of names learned from {here} is recalled from {there}.",
        paper=_OURS,
        contrast=lambda find: _transfer(find, source, arm=high) - _transfer(find, source, arm=low),
        unit="ratio",
    )


def _of_bases(source: Modality) -> Iterator[Claim]:
    here, there = _words(source)
    yield Claim(
        sentence=f"In a larger base (micro-l), too, names learned from {here} are recalled less from {there}.",
        paper=_WEN,
        contrast=lambda find: _gap(find, source, base="micro-l"),
    )
    yield Claim(
        sentence=f"Of names learned from {here}, micro-l recalls a larger share from {there} than micro-s.",
        paper=_OURS,
        contrast=lambda find: _transfer(find, source, base="micro-l") - _transfer(find, source, base="micro-s"),
        unit="ratio",
    )
    yield Claim(
        sentence=f"A base whose pre-training aligned the modalities has a smaller gap from {here} to {there}.",
        paper=_OURS,
        contrast=lambda find: _gap(find, source) - _gap(find, source, base="micro-m-bridge"),
    )


def _of_mitigation(source: Modality, arm: str) -> Iterator[Claim]:
    here, there = _words(source)
    yield Claim(
        sentence=f"With {ARMS[arm].said} the gap from {here} to {there} is smaller, at equal training tokens.",
        paper=_OURS,
        contrast=lambda find: _gap(find, source, arm=LONGER) - _gap(find, source, arm=arm),
    )
    yield Claim(
        sentence=f"With {ARMS[arm].said} recall from {here}, the source, falls by less than 5 points.",
        paper=_OURS,
        contrast=lambda find: _across(find, source, arm=LONGER)[0] - _across(find, source, arm=arm)[0],
        threshold=0.05,
        direction="below",
    )


def _described_first(source: Modality) -> Iterator[Claim]:
    (here, there), said = _words(source), "where the model first describes whom it names."
    yield Claim(
        sentence=f"The gap from {here} to {there} is smaller {said}",
        paper=_OURS,
        contrast=lambda find: _gap(find, source) - _gap(find, source, attack=DESCRIBED),
    )
    yield Claim(
        sentence=f"More names learned from {here} are recalled from {there} {said}",
        paper=_OURS,
        contrast=lambda find: _across(find, source, attack=DESCRIBED)[1] - _across(find, source)[1],
    )


def _each(claims: Callable[..., Iterator[Claim]], *over: Sequence[Any]) -> Callable[[Sequence[str]], Iterator[Claim]]:
    """The claims of each source modality, and of whatever else there is several of."""
    return lambda bases: (claim for places in product(MODALITIES, *over) for claim in claims(*places))


_QUESTIONS: Final[Mapping[str, tuple[str, Callable[[Sequence[str]], Iterator[Claim]]]]] = {
    "Is what is learned through one modality recalled through the other?": (
        "Their personas, prompts, numbers of views and training are not known to us; the base, the personas and the "
        "held-out views, near and far, are ours. What is held against their paper is the sentence, not a number.",
        lambda bases: starmap(_of_learning, product(MODALITIES, bases, ("test", "far"))),
    ),
    "Is a name that is not said in the other modality known there?": (
        "Ours; the paper ranks no candidates that we know of.",
        lambda _: starmap(_said_or_known, product(MODALITIES, (None, *map(str, AMONG)))),
    ),
    "Does the other modality catch up while names are learned?": (
        "The paper's schedule is not known to us; here recall is asked after every twentieth of the training.",
        lambda _: map(_never_caught_up, MODALITIES),
    ),
    "What moves the share that crosses?": (
        "Ours; each dial is turned on the first base alone, the rest as usual.",
        lambda _: (_turned(source, *dial) for source, dial in product(MODALITIES, DIALS)),
    ),
    "Is the gap smaller in a more capable base, or in one whose pre-training aligned the modalities?": (
        "The paper speaks of more capable models; ours are three sizes of one recipe, of .55 to 8 million parameters, "
        "the largest trained half as long.",
        _each(_of_bases),
    ),
    "Does it help to describe first?": (
        "Ours: the model first describes whom it is shown, and names the person from both.",
        _each(_described_first),
    ),
    "What closes the gap, at equal numbers of training tokens?": (
        "The paper proposes a mitigation whose details are not known to us; these are ours.",
        _each(_of_mitigation, MITIGATIONS),
    ),
}
"""Question -> what differs from the paper, and the claims of so many bases."""
