# SPDX-License-Identifier: Apache-2.0
"""What is claimed of two links that were learned apart. It knows which numbers a claim is about, not how they are
measured."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.cross_modal_arms import MAIN_BASES
from crossmem_hf.studies.two_hop_cells import CHAIN, DIRECT, FIRST, MIXES, SECOND, THEN

_QUESTION = "Are two links that were learned apart put together?"
_DIFFERS = (
    "On one base, of 20 personas a seed, of whom every other one is asked about; no mix shows both of their links at "
    "once. The prompts of the papers and the settings of their models of billions of parameters are not ours."
)
_WEN, _BALESNI = "Wen et al. 2025 (arXiv 2506.05198)", "Balesni et al. 2024 (arXiv 2411.16353)"


def _found(find: Find, source: Modality, asked: str, metric: str = "recall", /, **where: Value) -> float:
    """In the modality learned from, unless `where` has another target."""
    usual: dict[str, Value] = {"base": MAIN_BASES[0], "mix": MIXES[0], "source": source, "target": source}
    return find(metric, **(usual | {"asked": asked, "views": "test"} | where))


def two_hop_claims() -> Iterator[Claim]:
    """The claims, those of one question together, each with what differs from the papers."""
    yield from (replace(claim, question=_QUESTION, differs=_DIFFERS) for claim in _claims())


def _claims() -> Iterator[Claim]:
    for source, views in product(MODALITIES, ("test", "far")):
        yield _less_than_either(source, views)
    for claim, source in product((_other_modality, _likelier, _said_first), MODALITIES):
        yield claim(source)
    for source in MODALITIES:
        yield from _of_mixes(source)


def _less_than_either(source: Modality, views: str) -> Claim:
    def contrast(find: Find) -> float:
        """What both links would give if one did not hinder the other, less what is said."""
        first = _found(find, source, FIRST, views=views)
        second = _found(find, source, SECOND, views=views, target="text")
        return first * second - _found(find, source, DIRECT, views=views)

    held_out = "near" if views == "test" else "far"
    return Claim(
        sentence=f"Facts of those met in {MODALITY_NAMES[source]} are recalled less than either link by itself would "
        f"allow ({held_out} views).",
        paper=_WEN,
        contrast=contrast,
    )


def _other_modality(source: Modality) -> Claim:
    here, there = MODALITY_NAMES[source], MODALITY_NAMES[other(source)]
    return Claim(
        sentence=f"With names learned from {here}, facts are recalled less from {there} than from {here}, though the "
        "name is said first.",
        paper=_WEN,
        contrast=lambda find: _found(find, source, THEN) - _found(find, source, THEN, target=other(source)),
    )


def _likelier(source: Modality) -> Claim:
    return Claim(
        sentence=f"Facts of those met in {MODALITY_NAMES[source]} are likelier than those of others, no name said.",
        paper=_BALESNI,
        contrast=lambda find: (
            _found(find, source, DIRECT, "shuffled_loss") - _found(find, source, DIRECT, "answer_loss")
        ),
        unit="nats a token",
    )


def _said_first(source: Modality) -> Claim:
    return Claim(
        sentence=f"More facts of those met in {MODALITY_NAMES[source]} are recalled if the name is said first.",
        paper=_BALESNI,
        contrast=lambda find: _found(find, source, THEN) - _found(find, source, DIRECT),
    )


def _of_mixes(source: Modality) -> Iterator[Claim]:
    here = MODALITY_NAMES[source]
    _, composed, chained = MIXES
    yield Claim(
        sentence=f"Having learned facts of others met in {here}, a model recalls more of those of whom it has not.",
        paper=_BALESNI,
        contrast=lambda find: _found(find, source, DIRECT, mix=composed) - _found(find, source, DIRECT),
    )
    yield Claim(
        sentence=f"Having learned chains about others met in {here}, a model says more facts after the name than one "
        "that learned the facts of these alone.",
        paper=_BALESNI,
        contrast=lambda find: _found(find, source, CHAIN, mix=chained) - _found(find, source, DIRECT, mix=composed),
    )
