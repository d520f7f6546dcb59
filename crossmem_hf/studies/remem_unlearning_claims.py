# SPDX-License-Identifier: Apache-2.0
"""What is claimed of facts that were unlearned. It knows which numbers a claim is about, not how they are measured."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Final

from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.curves import MATCHED_SHARE
from crossmem_hf.studies.remem_cells import (
    CHOSEN,
    CORRUPTED,
    HELD_OUT,
    KNOWN,
    MATCHED,
    STARTS,
    STATEMENT,
    TRAINING,
    UNDER_TRAINED,
)
from crossmem_hf.studies.remem_measures import WITHOUT
from crossmem_hf.studies.remem_settings import COMPARED, RememSettings
from crossmem_hf.training.methods import METHODS

_NAMED = ", ".join(METHODS[name].name for name in COMPARED)
_LOST: Final = 1.0
"""Nats of an answer that a corruption takes: of less no share is told."""
_REMEM, _PAVA, _OURS = "ReMem (arXiv 2605.03759)", "PAVA (arXiv 2608.30649)", "ours"


def _model(settings: RememSettings, method: str, **where: Value) -> dict[str, Value]:
    first: dict[str, Value] = {"base": settings.all_bases[0], "forget": settings.forget_percents[-1]}
    found = {"method": method} | first | ({} if method in STARTS else {"read": CHOSEN}) | where
    return {"part": settings.part_of(str(found["base"]), int(found["forget"] or 0))} | found


def _said(find: Find, settings: RememSettings, method: str, group: str, /, **where: Value) -> float:
    """Exact match of rows that were learned from."""
    place: dict[str, Value] = {"asked": TRAINING, "target": "image", "group": group}
    return find("recall", **_model(settings, method, **(place | where)))


def _exposure(find: Find, settings: RememSettings, method: str, asked: str, /, **where: Value) -> float:
    place: dict[str, Value] = {"asked": asked, "target": "image", "group": "forget"}
    return find("exposure", **_model(settings, method, **(place | where)))


def _left(settings: RememSettings) -> Iterator[Claim]:
    for method, (asked, words) in product(
        settings.methods, ((HELD_OUT, "by the question"), (STATEMENT, "by a statement"))
    ):
        yield Claim(
            sentence=f"{METHODS[method].name} leaves Exposure, asked {words}, above the retain-only model's.",
            paper=_REMEM,
            contrast=lambda find, method=method, asked=asked: (  # type: ignore[misc]
                _exposure(find, settings, method, asked) - _exposure(find, settings, "retain_only", asked)
            ),
            unit="points of Exposure",
        )
    for method in settings.methods:
        yield Claim(
            sentence=f"{METHODS[method].name} leaves Exposure, asked by the question, above the retain-only model's "
            "at matched retained recall.",
            paper=_REMEM,
            contrast=lambda find, method=method: _at_matched(find, settings, method),  # type: ignore[misc]
            unit="points of Exposure",
        )
        yield Claim(
            sentence=f"After {METHODS[method].name} at least {MATCHED_SHARE:.0%} of what is retained is still said.",
            paper=_OURS,
            contrast=lambda find, method=method: _share_kept(find, settings, method, "retain"),  # type: ignore[misc]
            threshold=MATCHED_SHARE,
            unit="ratio",
        )
    yield Claim(
        sentence="Of a memorized model, Exposure is lower asked by a statement that it was not trained on than by the "
        "question.",
        paper=_PAVA,
        contrast=lambda find: (
            _exposure(find, settings, "memorized", HELD_OUT) - _exposure(find, settings, "memorized", STATEMENT)
        ),
        unit="points of Exposure",
    )


def _at_matched(find: Find, settings: RememSettings, method: str) -> float | None:
    """None where no step keeps enough of the retained, so that nothing was unlearned."""
    if not find("steps_read", **_model(settings, method, read=MATCHED)):
        return None
    left = _exposure(find, settings, method, HELD_OUT, read=MATCHED)
    return left - _exposure(find, settings, "retain_only", HELD_OUT)


def _share_kept(find: Find, settings: RememSettings, method: str, group: str, /, **where: Value) -> float | None:
    whole = _said(find, settings, "memorized", group, **where)
    return _said(find, settings, method, group, **where) / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if not known or None in known else math.fsum(value or 0.0 for value in known) / len(known)


def _of_forget_ratio(settings: RememSettings) -> Iterator[Claim]:
    few, many = settings.forget_percents[0], settings.forget_percents[-1]
    if few == many:
        return
    yield Claim(
        sentence=f"Unlearning {many} % of the personas in the place of {few} %, less of the forgotten is said.",
        paper=_REMEM,
        contrast=lambda find: _less(
            _mean(_share_kept(find, settings, one, "forget", forget=few) for one in settings.compared),
            _mean(_share_kept(find, settings, one, "forget", forget=many) for one in settings.compared),
        ),
    )
    for asked, words in ((HELD_OUT, "by the question"), (STATEMENT, "by a statement")):
        yield Claim(
            sentence=f"Unlearning {many} % of the personas in the place of {few} %, Exposure asked {words} is higher.",
            paper=_REMEM,
            contrast=lambda find, asked=asked: _less(  # type: ignore[misc]
                _mean(_exposure(find, settings, one, asked, forget=many) for one in settings.compared),
                _mean(_exposure(find, settings, one, asked, forget=few) for one in settings.compared),
            ),
            unit="points of Exposure",
        )


def _less(one: float | None, another: float | None) -> float | None:
    return None if one is None or another is None else one - another


def _fragile(settings: RememSettings) -> Iterator[Claim]:
    for method in settings.methods:
        yield Claim(
            sentence=f"Unlearning with {METHODS[method].name} takes a larger share of retained answers without the "
            "name than with it.",
            paper=_REMEM,
            contrast=lambda find, method=method: _less(  # type: ignore[misc]
                _share_kept(find, settings, method, "retain", hops=1),
                _share_kept(find, settings, method, "retain", hops=2),
            ),
        )


def _scale(settings: RememSettings) -> Iterator[Claim]:
    if len(settings.all_bases) < 2:
        return
    small, large = settings.all_bases[:2]

    def lost(find: Find, base: str) -> float | None:
        return _mean(
            find("utility", **_model(settings, "memorized", base=base))
            - find("utility", **_model(settings, one, base=base))
            for one in settings.compared
        )

    yield Claim(
        sentence=f"Unlearning costs {large} less utility than {small}.",
        paper=_REMEM,
        contrast=lambda find: _less(lost(find, small), lost(find, large)),
    )
    yield Claim(
        sentence=f"Of what is retained, {large} goes on saying a larger share than {small}.",
        paper=_REMEM,
        contrast=lambda find: _less(
            _mean(_share_kept(find, settings, one, "retain", base=large) for one in settings.compared),
            _mean(_share_kept(find, settings, one, "retain", base=small) for one in settings.compared),
        ),
    )


def _signatures(settings: RememSettings) -> Iterator[Claim]:
    def likely(find: Find, method: str, asked: str = STATEMENT, **more: Value) -> float:
        place: dict[str, Value] = {"asked": asked, "target": "image", "group": KNOWN if asked == KNOWN else "forget"}
        place |= more
        return find("min_k_prob", **_model(settings, method, **place))

    yield Claim(
        sentence="Min-K% of a statement about a memorized person is higher than in an under-trained model.",
        paper=_REMEM,
        contrast=lambda find: likely(find, "memorized") - likely(find, UNDER_TRAINED),
        unit="points of Min-K%",
    )
    yield Claim(
        sentence="Min-K% of a statement about a memorized person, who is not named, is higher than about those whom "
        "the base knew before.",
        paper=_REMEM,
        contrast=lambda find: likely(find, "memorized", hops=2) - likely(find, "base", KNOWN, hops=2),
        unit="points of Min-K%",
    )
    for method in settings.methods:
        yield Claim(
            sentence=f"{METHODS[method].name} leaves Min-K% of a statement above the retain-only model's.",
            paper=_OURS,
            contrast=lambda find, method=method: (  # type: ignore[misc]
                likely(find, method) - likely(find, "retain_only")
            ),
            unit="points of Min-K%",
        )


def _circuits(settings: RememSettings) -> Iterator[Claim]:
    for corruption in CORRUPTED:
        yield Claim(
            sentence=f"Where the {corruption} is corrupted, more than half of a memorized answer's log-probability "
            "comes back with the first layer's states at its tokens.",
            paper=_REMEM,
            contrast=lambda find, corruption=corruption: _ratio(  # type: ignore[misc]
                _first_layer(find, settings, "memorized", corruption),
                _whole(find, settings, corruption),
            ),
            threshold=0.5,
            unit="ratio",
        )
    yield Claim(
        sentence="Another subject in the question takes less of a memorized answer's log-probability than another "
        "picture.",
        paper=_OURS,
        contrast=lambda find: _whole(find, settings, "picture") - _whole(find, settings, "subject"),
        unit="nats",
    )
    for method in settings.methods:
        yield Claim(
            sentence=f"After {METHODS[method].name} the first layer's states at the picture bring back more than half "
            "as much log-probability as before.",
            paper=_OURS,
            contrast=lambda find, method=method: _ratio(  # type: ignore[misc]
                _first_layer(find, settings, method, "picture"), _first_layer(find, settings, "memorized", "picture")
            ),
            threshold=0.5,
            unit="ratio",
        )


def _whole(find: Find, settings: RememSettings, corruption: str) -> float:
    return find("total_effect_logprob", **_model(settings, "memorized", corruption=corruption))


def _first_layer(find: Find, settings: RememSettings, method: str, corruption: str) -> float:
    tokens = "subject" if corruption == "subject" else "image"
    place: dict[str, Value] = {"corruption": corruption, "site": "hidden", "tokens": tokens, "layer": 0}
    return find("indirect_effect_logprob", **_model(settings, method, **place))


def _ratio(one: float, another: float) -> float | None:
    """None where next to nothing was lost that could come back."""
    return one / another if another >= _LOST else None


def _transplanted(settings: RememSettings) -> Iterator[Claim]:
    for method in settings.methods:
        yield Claim(
            sentence=f"With the MLP weights of the memorized model, more than half of what {METHODS[method].name} "
            "took is said again.",
            paper=_PAVA,
            contrast=lambda find, method=method: _back(find, settings, method, "mlp"),  # type: ignore[misc]
            threshold=0.5,
            unit="ratio",
        )
        yield Claim(
            sentence=f"The MLP weights of the memorized model bring back more of what {METHODS[method].name} took "
            "than its attention weights.",
            paper=_PAVA,
            contrast=lambda find, method=method: _less(  # type: ignore[misc]
                _back(find, settings, method, "mlp"), _back(find, settings, method, "attention")
            ),
            unit="ratio",
        )


def _back(find: Find, settings: RememSettings, method: str, part: str) -> float | None:
    place: dict[str, Value] = {"asked": HELD_OUT, "target": "image", "group": "forget"}
    place["layers"] = "all"
    before = find("recall", **_model(settings, "memorized", **place, transplanted=WITHOUT))
    after, again = (find("recall", **_model(settings, method, **place, transplanted=one)) for one in (WITHOUT, part))
    return (again - after) / (before - after) if before > after else None


UNLEARNING_QUESTIONS: Final[Mapping[str, tuple[str, str, Callable[[RememSettings], Iterator[Claim]]]]] = {
    "What is left of a person who was unlearned?": (
        "unlearning",
        "The formula of their Exposure is not known to us; ours is the logarithmic one, among values that nobody was "
        "taught, and the record has three others. Methods are read after steps that were chosen on a persona seed of "
        "its own, and where named at matched retained recall; theirs after five epochs. "
        "They report neither the base, nor the memorized, nor a retain-only model.",
        _left,
    ),
    "Does it matter how many are forgotten?": (
        "comparing",
        f"The mean over {_NAMED}, each after its chosen steps; theirs of each of five.",
        _of_forget_ratio,
    ),
    "Is retained knowledge of two hops more fragile?": (
        "unlearning",
        "Shares of what the memorized model says, after the steps chosen for each method.",
        _fragile,
    ),
    "Does a larger model keep more?": (
        "comparing",
        "Theirs are of 7 and 13 billion parameters, ours of 1.84 and 8.05 million; utility is what they know of "
        "others, in the place of MMBench.",
        _scale,
    ),
    "Do likelihoods tell who was memorized?": (
        "unlearning",
        "Of facts, not of names, as names are not asked for here; k is 20 %, theirs is not known to us. In the place "
        "of public figures stand those whom the base was taught.",
        _signatures,
    ),
    "Where is the answer, and does it go?": (
        "unlearning",
        "Window and sites of the paper are not known to us; here hidden states of the first layer, which are nearly "
        "the input: they tell whether an answer is still made from it, not where. Of less than a nat no "
        "share is told.",
        _circuits,
    ),
    "Does it come back with the memorized model's weights?": (
        "unlearning",
        "PAVA puts back whole matrices, we what the adapter learned.",
        _transplanted,
    ),
}
"""Question -> the part of the study that answers it, what differs from the paper, and its claims."""
