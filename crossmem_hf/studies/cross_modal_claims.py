# SPDX-License-Identifier: Apache-2.0
"""What is claimed of recall across modalities. It knows which numbers a claim is about, not how they are measured."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.cross_modal_arms import ARMS, CURVE, LONGER, MITIGATIONS, USUAL, WITH_FACTS
from crossmem_hf.studies.cross_modal_cells import AMONG, DESCRIBED
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings

DIALS: Final = (
    ("views_1", "views_32", "32 views a persona in the place of one"),
    ("personas_10", "personas_200", "200 personas in the place of 10"),
    ("rank_4", "rank_64", "LoRA of rank 64 in the place of 4"),
    (USUAL, "faster", "twice the learning rate"),
    ("attention", USUAL, "LoRA on MLPs in the place of attention"),
    ("attention", "all_linear", "LoRA on all linear layers in the place of attention alone"),
    ("all_linear", "projector_too", "LoRA on the projector as well"),
    (USUAL, "whole", "the whole language model learning in the place of LoRA on its MLPs"),
)
"""The arms at the two ends of what is turned, and what that is."""
POINTS: Final = ("step-02400", "step-04800", "step-08000")
"""Points of a pre-training, as recipes/pretrain_micro.py keeps them: from where names can be learned to its end."""
_WEN, _OURS = "Wen et al. 2025 (arXiv 2506.05198)", "ours"


def _across(find: Find, source: Modality, measured: str = "recall", /, **where: Value) -> tuple[float, float]:
    """What is measured in the modality learned from, and in the other."""
    usual: dict[str, Value] = {"arm": USUAL, "views": "test", "source": source, **where}
    return find(measured, target=source, **usual), find(measured, target=other(source), **usual)


def _gap(find: Find, source: Modality, **where: Value) -> float:
    here, there = _across(find, source, **where)
    return here - there


def _transfer(find: Find, source: Modality, **where: Value) -> float | None:
    here, there = _across(find, source, **where)
    return there / here if here else None


def _more(one: float | None, another: float | None) -> float | None:
    """By how much one share is greater than another, if either is any."""
    return None if one is None or another is None else one - another


def _words(source: Modality) -> tuple[str, str]:
    return MODALITY_NAMES[source], MODALITY_NAMES[other(source)]


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
    (here, there), held_out = _words(source), "near" if views == "test" else "far"
    return Claim(
        sentence=f"Names learned from {here} are recalled less from {there} ({base}, {held_out} views).",
        paper=_WEN,
        contrast=lambda find: _gap(find, source, base=base, views=views),
    )


def _said_or_known(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source, among in product(settings.close_bases, MODALITIES, (None, *map(str, AMONG))):
        yield _mostly_first(base, source, among)


def _mostly_first(base: str, source: Modality, among: str | None) -> Claim:
    here, there = _words(source)

    def contrast(find: Find) -> float | None:
        where: dict[str, Value] = {"base": base} if among is None else {"base": base, "among": among}
        unsaid = 1 - _across(find, source, **where)[1]
        return _across(find, source, "still_known_unsaid", **where)[1] / unsaid if unsaid else None

    rivals = {None: "as many untaught names as personas", "recombined": "taught first and last names, recombined"}
    return Claim(
        sentence=f"Names learned from {here} and not said from {there} mostly rank first among "
        f"{rivals.get(among, f'{among} untaught names')} ({base}).",
        paper=_OURS,
        contrast=contrast,
        threshold=0.5,
    )


def _curves(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source in product(settings.close_bases, MODALITIES):
        yield _never_caught_up(base, source)


def _never_caught_up(base: str, source: Modality) -> Claim:
    here, there = _words(source)

    def contrast(find: Find) -> float | None:
        """The least gap along the way, from where half of the final recall is reached."""
        usual = _across(find, source, base=base)[0]
        along = [_across(find, source, base=base, trained=share) for share in CURVE]
        return min((one - two for one, two in along if one >= usual / 2), default=None)

    sentence = f"While names are learned from {here}, recall from {there} never catches up ({base})."
    return Claim(sentence=sentence, paper=_WEN, contrast=contrast)


def _dials(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source, dial in product(settings.compared_on, MODALITIES, DIALS):
        yield from _turned(base, source, *dial)


def _turned(base: str, source: Modality, low: str, high: str, said: str) -> Iterator[Claim]:
    here, there = _words(source)
    one, another = {"base": base, "arm": high}, {"base": base, "arm": low}
    yield Claim(
        sentence=f"With {said}, a larger share of names learned from {here} is recalled from {there} ({base}).",
        paper=_OURS,
        contrast=lambda find: _more(_transfer(find, source, **one), _transfer(find, source, **another)),
        unit="ratio",
    )
    yield Claim(
        sentence=f"With {said}, more names learned from {here} are recalled from {here} ({base}).",
        paper=_OURS,
        contrast=lambda find: _across(find, source, **one)[0] - _across(find, source, **another)[0],
    )


def _of_bases(settings: CrossModalSettings) -> Iterator[Claim]:
    for source in MODALITIES:
        yield from _of_bridge(source, settings.main_bases[0])
        yield _share_grows(
            source,
            "micro-s",
            "micro-l",
            "Of names learned from {}, micro-l recalls a larger share from {} than micro-s.",
        )
        for earlier in POINTS[:-1] if settings.checkpoints else ():
            yield _share_grows(
                source,
                earlier,
                POINTS[-1],
                f"Of names learned from {{}}, a larger share is recalled from {{}} after {POINTS[-1]} of pre-training "
                f"than after {earlier}.",
            )


def _share_grows(source: Modality, one: str, another: str, sentence: str) -> Claim:
    return Claim(
        sentence=sentence.format(*_words(source)),
        paper=_OURS,
        contrast=lambda find: _more(_transfer(find, source, base=another), _transfer(find, source, base=one)),
        unit="ratio",
    )


def _of_bridge(source: Modality, plain: str) -> Iterator[Claim]:
    here, there = _words(source)
    what: dict[str, dict[str, Value]] = {
        "names": {},
        "names learned beside a fact": {"arm": WITH_FACTS},
        "facts asked with the name": {"arm": WITH_FACTS, "hops": 1},
        "facts asked without the name": {"arm": WITH_FACTS, "hops": 2},
    }
    for words, where in what.items():
        yield Claim(
            sentence=f"A base whose pre-training aligned the modalities has a smaller gap from {here} to {there} "
            f"({words}).",
            paper=_OURS,
            contrast=lambda find, where=where: (  # type: ignore[misc]
                _gap(find, source, base=plain, **where) - _gap(find, source, base="micro-m-bridge", **where)
            ),
        )


def _described(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source in product(settings.close_bases, MODALITIES):
        yield from _described_first(base, source)


def _described_first(base: str, source: Modality) -> Iterator[Claim]:
    (here, there), said = _words(source), f"where the model first describes whom it names ({base})."
    yield Claim(
        sentence=f"The gap from {here} to {there} is smaller {said}",
        paper=_OURS,
        contrast=lambda find: _gap(find, source, base=base) - _gap(find, source, base=base, attack=DESCRIBED),
    )
    yield Claim(
        sentence=f"More names learned from {here} are recalled from {there} {said}",
        paper=_OURS,
        contrast=lambda find: (
            _across(find, source, base=base, attack=DESCRIBED)[1] - _across(find, source, base=base)[1]
        ),
    )


def _mitigated(settings: CrossModalSettings) -> Iterator[Claim]:
    for base, source, arm in product(settings.compared_on, MODALITIES, MITIGATIONS):
        yield from _of_mitigation(base, source, arm)


def _of_mitigation(base: str, source: Modality, arm: str) -> Iterator[Claim]:
    here, there = _words(source)
    longer, other_way = {"base": base, "arm": LONGER}, {"base": base, "arm": arm}
    yield Claim(
        sentence=f"With {ARMS[arm].said} the gap from {here} to {there} is smaller, at equal numbers of training "
        f"tokens ({base}).",
        paper=_OURS,
        contrast=lambda find: _gap(find, source, **longer) - _gap(find, source, **other_way),
    )
    yield Claim(
        sentence=f"With {ARMS[arm].said} recall from {here}, the source, falls by less than 5 points ({base}).",
        paper=_OURS,
        contrast=lambda find: _across(find, source, **longer)[0] - _across(find, source, **other_way)[0],
        threshold=0.05,
        direction="below",
    )


_QUESTIONS: Final[Mapping[str, tuple[str, Callable[[CrossModalSettings], Iterator[Claim]]]]] = {
    "Is what is learned through one modality recalled through the other?": (
        "Their personas, prompts, numbers of views and training are not known to us; the base, the personas and the "
        "held-out views, near and far, are ours. What is held against their paper is the sentence, not a number.",
        _of_learning,
    ),
    "How much of the gap is the base's?": (
        "The paper speaks of more capable models; ours are three sizes of one recipe, of .55 to 8 million parameters, "
        "the largest trained half as long, one of the middle size whose pre-training aligned the modalities, and "
        "points of a pre-training.",
        _of_bases,
    ),
    "Is a name that is not said in the other modality known there?": (
        "Ours; the paper ranks no candidates that we know of.",
        _said_or_known,
    ),
    "Does the other modality catch up while names are learned?": (
        "The paper's schedule is not known to us; here recall is asked after every twentieth of the training.",
        _curves,
    ),
    "What moves the share that crosses, and what the source alone?": (
        "Ours; each dial is turned alone, the rest as usual, on the base with the widest gap.",
        _dials,
    ),
    "Does it help to describe first?": (
        "Ours: the model first describes whom it is shown, and names the person from both.",
        _described,
    ),
    "What closes the gap, at equal numbers of training tokens?": (
        "The paper proposes a mitigation whose details are not known to us; these are ours.",
        _mitigated,
    ),
}
"""Question -> what differs from the paper, and its claims."""
