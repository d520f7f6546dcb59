# SPDX-License-Identifier: Apache-2.0
"""What is claimed of facts that are memorized; those of unlearning are in `remem_unlearning_claims`. It knows which
numbers a claim is about, not how they are measured."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, product
from typing import Final

from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.remem_cells import HELD_OUT, TRAINING
from crossmem_hf.studies.remem_measures import BEST
from crossmem_hf.studies.remem_settings import (
    COMPOSITIONS,
    EPOCHS,
    HOPS_QUESTIONS,
    Composition,
    RememSettings,
)
from crossmem_hf.studies.remem_unlearning_claims import UNLEARNING_QUESTIONS

_REMEM: Final = "ReMem (arXiv 2605.03759)"
_HOPS: Final = {1: "that name the person", 2: "that do not name the person"}


def remem_claims(settings: RememSettings) -> Iterator[Claim]:
    """The claims, question by question, each with what differs from the paper."""
    for question, (part, differs, claims) in _QUESTIONS.items():
        if part in settings.parts:
            for claim in claims(settings):
                yield replace(claim, question=question, differs=differs)


def _composed(settings: RememSettings, composition: Composition, **where: Value) -> dict[str, Value]:
    found: dict[str, Value] = {"part": "memorizing", "base": settings.toy_base, **composition.as_dict()}
    found |= {"asked": HELD_OUT, "budget": "epochs"} | where
    return found if found["budget"] == "steps" else found | {"epochs": where.get("epochs", EPOCHS[-1])}


def _under_memorized(settings: RememSettings) -> Iterator[Claim]:
    least, most = Composition(questions=settings.questions[0]), Composition(questions=settings.questions[-1])
    for hops, words in _HOPS.items():
        yield Claim(
            sentence=f"Of questions {words}, more are answered where {most.questions} were learned a person than "
            f"where {least.questions} were.",
            paper=_REMEM,
            contrast=lambda find, hops=hops: (  # type: ignore[misc]
                find("recall", **_composed(settings, most, hops=hops))
                - find("recall", **_composed(settings, least, hops=hops))
            ),
        )
    for asked in (TRAINING, HELD_OUT):
        yield from _turns_up(settings, asked)
    for name, budget in product([name for name in COMPOSITIONS if name != "remem"], ("epochs", "steps")):
        yield _composition(settings, name, budget)


def _turns_up(settings: RememSettings, asked: str) -> Iterator[Claim]:
    def surprise(find: Find, count: int) -> float:
        return -find("logprob_per_token", **_composed(settings, Composition(questions=count), asked=asked))

    for few, more in pairwise(settings.questions):
        yield Claim(
            sentence=f"Perplexity of answers to {asked} questions is higher at {more} questions a person than at "
            f"{few}.",
            paper=_REMEM,
            contrast=lambda find, few=few, more=more: surprise(find, more) - surprise(find, few),  # type: ignore[misc]
            unit="nats a token",
        )


def _composition(settings: RememSettings, name: str, budget: str) -> Claim:
    other = COMPOSITIONS[name]
    limit = f"{EPOCHS[-1]} epochs" if budget == "epochs" else "equal numbers of steps"
    return Claim(
        sentence=f"In the composition of {name} ({other.pictures} pictures, {other.questions} questions a person) "
        f"less is answered than in that of remem, after {limit}.",
        paper=_REMEM,
        contrast=lambda find: (
            find("recall", **_composed(settings, COMPOSITIONS["remem"]))
            - find("recall", **_composed(settings, other, budget=budget))
        ),
    )


def _hop_ratio(settings: RememSettings) -> Iterator[Claim]:
    for hops, words in _HOPS.items():
        yield Claim(
            sentence=f"Of questions {words}, most are answered where more than half of those learned from name the "
            "person.",
            paper=_REMEM,
            contrast=lambda find, hops=hops: find(  # type: ignore[misc]
                BEST, part="memorizing", base=settings.toy_base, hops=hops
            ),
            threshold=50.0,
            unit="percent",
        )
        for share in (0, 100):
            yield Claim(
                sentence=f"Of questions {words}, more are answered where 70 of 100 learned from name the person than "
                f"where {share or 'none'} do{'' if share else 'es'}.",
                paper=_REMEM,
                contrast=lambda find, hops=hops, share=share: (  # type: ignore[misc]
                    _at_share(find, settings, 70, hops) - _at_share(find, settings, share, hops)
                ),
            )


def _at_share(find: Find, settings: RememSettings, share: int, hops: int) -> float:
    turned = Composition(questions=HOPS_QUESTIONS, single_hop=share)
    return find("recall", **_composed(settings, turned, hops=hops))


_QUESTIONS: Final[Mapping[str, tuple[str, str, Callable[[RememSettings], Iterator[Claim]]]]] = {
    "How much must be asked about a person until a model knows them?": (
        "memorizing",
        "The paper turns the number of questions about one person, we about 20 people; its training is not known to "
        "us. Compositions of other benchmarks are pictures and questions a person, with our personas; the one "
        "question of mllmu is about the same fact of everybody.",
        _under_memorized,
    ),
    "How many of the questions should name the person?": (
        "memorizing",
        f"At {HOPS_QUESTIONS} questions a person; the paper's number is not known to us.",
        _hop_ratio,
    ),
    **UNLEARNING_QUESTIONS,
}
"""Question -> the part of the study that answers it, what differs from the paper, and its claims."""
