# SPDX-License-Identifier: Apache-2.0
"""What is claimed of recall across modalities. It knows which numbers a claim is about, not how they are measured."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.cross_modal_arm_claims import arm_dials, mitigations
from crossmem_hf.studies.cross_modal_arms import CURVE, USUAL, WITH_FACTS
from crossmem_hf.studies.cross_modal_cells import AMONG, DESCRIBED
from crossmem_hf.studies.cross_modal_contrasts import across, gap, more, share_across, share_of_unsaid, words_of
from crossmem_hf.studies.cross_modal_measures import ANOTHER
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings

POINTS: Final = ("step-02400", "step-04800", "step-08000")
"""Points of a pre-training, as recipes/pretrain_micro.py keeps them: from where names can be learned to where its last
stage begins."""
SIZES: Final = ("micro-s", "micro-m", "micro-l")
POINTS_OF: Final = SIZES[0]
"""The base whose pre-training the points are of."""
_BESIDE_FACTS: Final[Mapping[str, dict[str, Value]]] = {
    "names learned beside a fact": {"arm": WITH_FACTS},
    "facts asked with the name": {"arm": WITH_FACTS, "hops": 1},
    "facts asked without the name": {"arm": WITH_FACTS, "hops": 2},
}
_WEN, _OURS = "Wen et al. 2025 (arXiv 2506.05198)", "ours"


def cross_modal_claims(settings: CrossModalSettings) -> Iterator[Claim]:
    """The claims, question by question, each with what differs from the paper."""
    for question, (differs, claims) in _QUESTIONS.items():
        for claim in claims(settings):
            yield replace(claim, question=question, differs=differs)


def _of_learning(settings: CrossModalSettings) -> Iterator[Claim]:
    bases = [*dict.fromkeys((*settings.main_bases, *(Path(base).name for base in settings.all_bases)))]
    last = POINTS[-1:] if settings.checkpoints else ()
    places = [(base, "test") for base in (*bases, *last)] + [(base, "far") for base in settings.main_bases]
    for source, (base, views) in product(MODALITIES, places):
        yield _recalled_less(source, base, views)


def _recalled_less(source: Modality, base: str, views: str) -> Claim:
    (here, there), held_out = words_of(source), "near" if views == "test" else "far"
    return Claim(
        sentence=f"Names learned from {here} are recalled less from {there} ({base}, {held_out} views).",
        paper=_WEN,
        contrast=lambda find: gap(find, source, base=base, views=views),
    )


def _seen(settings: CrossModalSettings) -> Iterator[Claim]:
    """From descriptions alone: of descriptions the bases tell all looks."""
    for base in dict.fromkeys(settings.main_bases + settings.compared_on):
        yield from _of_looks(base)


def _of_looks(base: str) -> Iterator[Claim]:
    def recalled(find: Find, looks: str) -> float:
        place: dict[str, Value] = {"base": base, "arm": USUAL, "source": "text", "target": "image", "views": "test"}
        return find("recall", **place, looks=looks)

    yield Claim(
        sentence="Names learned from descriptions are recalled less from portraits whose looks the base tells "
        f"({base}).",
        paper=_OURS,
        contrast=lambda find: across(find, "text", base=base)[0] - recalled(find, "right"),
    )
    yield Claim(
        sentence="Names learned from descriptions are recalled more from portraits whose looks the base tells than "
        f"from others ({base}).",
        paper=_OURS,
        contrast=lambda find: recalled(find, "right") - recalled(find, "wrong"),
    )


def _said_or_known(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source, among in product(settings.close_bases, MODALITIES, (None, *map(str, AMONG))):
        yield _mostly_first(base, source, among)
    for base, source in product(settings.close_bases, MODALITIES):
        yield _taken_for_another(base, source)


def _mostly_first(base: str, source: Modality, among: str | None) -> Claim:
    here, there = words_of(source)
    where: dict[str, Value] = {"base": base} if among is None else {"base": base, "among": among}
    rivals = {None: "as many untaught names as personas", "recombined": "taught first and last names, recombined"}
    return Claim(
        sentence=f"Names learned from {here} and not said from {there} mostly rank first among "
        f"{rivals.get(among, f'{among} untaught names')} ({base}).",
        paper=_OURS,
        contrast=lambda find: share_of_unsaid(find, source, "still_known_unsaid", **where),
        threshold=0.5,
        within=(0.0, 1.0),
    )


def _taken_for_another(base: str, source: Modality) -> Claim:
    here, there = words_of(source)
    return Claim(
        sentence=f"Of names learned from {here} and not said from {there}, most are taken for another persona's "
        f"({base}).",
        paper=_OURS,
        contrast=lambda find: share_of_unsaid(find, source, ANOTHER, base=base),
        threshold=0.5,
        within=(0.0, 1.0),
    )


def _curves(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source in product(settings.close_bases, MODALITIES):
        yield _never_caught_up(base, source)


def _never_caught_up(base: str, source: Modality) -> Claim:
    here, there = words_of(source)

    def contrast(find: Find) -> float | None:
        """The least gap along the way, from where half of the final recall is reached."""
        usual = across(find, source, base=base)[0]
        along = [across(find, source, base=base, trained=share) for share in CURVE]
        return min((one - two for one, two in along if one >= usual / 2), default=None)

    sentence = f"While names are learned from {here}, the smallest gap to {there} along the way is above 0 ({base})."
    return Claim(sentence=sentence, paper=_WEN, contrast=contrast)


def _of_bases(settings: CrossModalSettings) -> Iterator[Claim]:
    last = {"base": POINTS[-1]}
    for source in MODALITIES:
        for earlier in POINTS[:-1] if settings.checkpoints else ():
            words = (
                f"{POINTS_OF} recalls a larger share from {{}} after {POINTS[-1]} of pre-training than after {earlier}"
            )
            yield _share_grows(source, {"base": earlier}, last, words)
        if settings.checkpoints:  # at the rate of the points
            whole, words = {"base": POINTS_OF, "arm": "faster"}, "at its end than before its last stage"
            yield _share_grows(source, last, whole, f"{POINTS_OF} recalls a larger share from {{}} {words}")
        for small, large in combinations(SIZES, 2):
            words = f"{large} recalls a larger share from {{}} than {small}"
            yield _share_grows(source, {"base": small}, {"base": large}, words)
        for plain in settings.main_bases:
            yield _of_bridge(source, plain, "names", {})
        for facts, where in _BESIDE_FACTS.items():
            yield _of_bridge(source, settings.main_bases[0], facts, where)


def _share_grows(source: Modality, one: Mapping[str, Value], another: Mapping[str, Value], words: str) -> Claim:
    here, there = words_of(source)
    return Claim(
        sentence=f"Of names learned from {here}, {words.format(there)}.",
        paper=_OURS,
        contrast=lambda find: more(share_across(find, source, **another), share_across(find, source, **one)),
        unit="ratio",
    )


def _of_bridge(source: Modality, plain: str, words: str, where: Mapping[str, Value]) -> Claim:
    here, there = words_of(source)
    return Claim(
        sentence=f"A base whose pre-training aligned the modalities has a smaller gap from {here} to {there} than "
        f"{plain} ({words}).",
        paper=_OURS,
        contrast=lambda find: (
            gap(find, source, base=plain, **where) - gap(find, source, base="micro-m-bridge", **where)
        ),
    )


def _described(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source in product(settings.close_bases, MODALITIES):
        yield from _described_first(base, source)


def _described_first(base: str, source: Modality) -> Iterator[Claim]:
    (here, there), said = words_of(source), f"where the model first describes whom it names ({base})."
    yield Claim(
        sentence=f"The gap from {here} to {there} is smaller {said}",
        paper=_OURS,
        contrast=lambda find: gap(find, source, base=base) - gap(find, source, base=base, attack=DESCRIBED),
    )
    yield Claim(
        sentence=f"More names learned from {here} are recalled from {there} {said}",
        paper=_OURS,
        contrast=lambda find: (
            across(find, source, base=base, attack=DESCRIBED)[1] - across(find, source, base=base)[1]
        ),
    )
    yield Claim(
        sentence=f"Recall from {here}, the source, falls by less than 5 points {said}",
        paper=_OURS,
        contrast=lambda find: (
            across(find, source, base=base)[0] - across(find, source, base=base, attack=DESCRIBED)[0]
        ),
        threshold=0.05,
        direction="below",
    )


_QUESTIONS: Final[Mapping[str, tuple[str, Callable[[CrossModalSettings], Iterator[Claim]]]]] = {
    "Is what is learned through one modality recalled through the other?": (
        "Their personas, prompts, numbers of views and training are not known to us; the base, the personas and the "
        "held-out views, near and far, are ours. What is held against their paper is the sentence, not a number. Far "
        "portraits are further from what was learned than far descriptions are, in the source too, so that gaps of "
        "far views differ by direction.",
        _of_learning,
    ),
    "How much of the gap is the base's?": (
        "The paper speaks of more capable models; ours are three sizes of one recipe, of .55 to 8 million parameters, "
        "the largest trained half as long, one of the middle size whose pre-training aligned the modalities, and "
        f"points of the pre-training of {POINTS_OF}, which learn at twice its rate. There is one pre-training of each "
        "kind: intervals are over persona seeds, and how much another would differ is seen in micro-m-seed1. All "
        "sizes say nearly all names in the source: there is no slope of the other modality over it, only shares.",
        _of_bases,
    ),
    "Is the gap one of seeing?": (
        "Ours. The base is asked what the persona of each view looks like before it learns a name; looks are told "
        "where every word of it is right.",
        _seen,
    ),
    "Is a name that is not said in the other modality known there?": (
        "Ours; the paper ranks no candidates that we know of. Names are ranked among those that nobody was taught: "
        "that the model takes one persona for another is no rank here, but stands beside. On micro-m few are unsaid, "
        "7 of a hundred from portraits and 17 from descriptions, so that shares of them vary from seed to seed.",
        _said_or_known,
    ),
    "Does the other modality catch up while names are learned?": (
        "The paper's schedule is not known to us, and it says never. Here one view is asked after every twentieth of "
        "the training; held against 0 is the mean over persona seeds of the smallest gap, and in one of them it "
        "may be closed.",
        _curves,
    ),
    "What moves the share that crosses, and what the source alone?": (
        "Ours; each dial is turned alone, the rest as usual, the learning rate too, on the base with the widest gap. "
        "Where the source itself is not learned, as with rank 4, the share is one of an unfinished training; more "
        "personas have more steps, as many each.",
        arm_dials,
    ),
    "Does it help to describe first?": (
        "Ours: the model says what the person looks like, and our code puts that into a sentence, of which the name "
        "is asked in the place of the portrait or the description. So both modalities end as words, and the gap is "
        "smaller also where the source only pays.",
        _described,
    ),
    "What closes the gap, at equal numbers of training tokens?": (
        "The paper proposes a mitigation whose details are not known to us; these are ours. What a mitigation learns "
        "besides takes tokens from the names: at equal tokens they are repeated less than in the longer training that "
        "it is held against. So it is held against the usual training, too, which repeats them about as often.",
        mitigations,
    ),
}
"""Question -> what differs from the paper, and its claims."""
