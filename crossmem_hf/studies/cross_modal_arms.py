# SPDX-License-Identifier: Apache-2.0
"""The ways to learn that the study cross_modal compares, and what is claimed of them. It trains and asks nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.record import Value
from crossmem_hf.studies.adapters import KnownNames, TrainingRows
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.settings import StudySettings

USUAL: Final = "usual"
MAIN_BASES: Final = ("micro-m", "micro-m-seed1")
_WEN, _OURS = "Wen et al. 2025 (arXiv 2506.05198)", "ours"
_ATTENTION = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
_WITH_PROJECTOR = rf"{LANGUAGE_LINEARS}|.*multi_modal_projector\.linear_\d"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What differs from the usual way.

    Attributes:
        dial: What is turned, with other arms; empty for a mitigation.
        settings: Of the study.
        lora: Arguments of `memorize.language_lora`.
        besides: What else is learned, in so many rows as the names: makes the rows from source and settings.
        as_long: As many training tokens as the mitigations have, so twice those of the usual way.
    """

    dial: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    lora: Mapping[str, Any] = field(default_factory=dict)
    besides: Callable[[Modality, StudySettings], Any] | None = None
    as_long: bool = False


def _captions(split: str) -> Callable[[Modality, StudySettings], TrainingRows]:
    return lambda source, settings: TrainingRows(configs=("captions",), split=split)


def _paired(share: float) -> Callable[[Modality, StudySettings], TrainingRows]:
    return lambda source, _: TrainingRows(configs=(f"recall_{other(source)}",), split="train", share=share)


def _known(source: Modality, settings: StudySettings) -> KnownNames:
    return KnownNames(modality=source, num_personas=settings.num_personas, num_views=settings.num_views)


ARMS: Final[Mapping[str, Arm]] = MappingProxyType(
    {
        USUAL: Arm(),
        **{f"views_{count}": Arm(dial="views", settings={"num_views": count}) for count in (1, 2, 4, 16, 32)},
        **{
            f"personas_{count}": Arm(dial="personas", settings={"num_personas": count}) for count in (10, 25, 100, 200)
        },
        **{f"rank_{rank}": Arm(dial="rank", lora={"r": rank, "alpha": 2 * rank}) for rank in (4, 64, 128)},
        "attention": Arm(dial="modules", lora={"target_modules": _ATTENTION}),
        "all_linear": Arm(dial="modules", lora={"target_modules": LANGUAGE_LINEARS}),
        "projector_too": Arm(dial="modules", lora={"target_modules": _WITH_PROJECTOR}),
        "longer": Arm(as_long=True),
        "captions_of_them": Arm(besides=_captions("target"), as_long=True),
        "captions_of_others": Arm(besides=_captions("background"), as_long=True),
        "paired_10": Arm(besides=_paired(0.1), as_long=True),
        "paired_30": Arm(besides=_paired(0.3), as_long=True),
        "known_names": Arm(besides=_known, as_long=True),
    }
)
"""Name -> arm."""
CURVE: Final = tuple(mark / 20 for mark in range(1, 20))
"""Shares of the training after which the usual arm is asked, besides at its end."""
MITIGATIONS: Final = tuple(name for name, arm in ARMS.items() if arm.besides is not None)
_SAID: Final[Mapping[str, str]] = MappingProxyType(
    {
        "captions_of_them": "Captions of the same personas, without names,",
        "captions_of_others": "Captions of other personas",
        "paired_10": "A tenth of the personas learned through both modalities",
        "paired_30": "Three tenths of the personas learned through both modalities",
        "known_names": "Names that the base knows, learned again,",
    }
)
_DIALS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "views": ("views_1", "views_32", "32 views a persona in the place of one"),
        "personas": ("personas_10", "personas_200", "200 personas in the place of 10"),
        "rank": ("rank_4", "rank_128", "LoRA of rank 128 in the place of 4"),
        "modules": ("attention", "all_linear", "LoRA on all linear layers in the place of attention alone"),
    }
)


def arm_rows(arm: str, source: Modality, settings: StudySettings) -> TrainingRows:
    """What is learned: names through the source modality, and whatever the arm has besides."""
    besides = ARMS[arm].besides
    more = None if besides is None else besides(source, settings)
    return TrainingRows(configs=(f"recall_{source}",), split="train", besides=more)


def arm_steps(arm: str, rows: TrainingRows, settings: StudySettings, steps: int) -> int:
    """Optimizer steps: as many a persona in every arm; of mitigations twice the usual number of training tokens.

    Args:
        steps: For 50 personas.
    """
    usual = steps * settings.num_personas / 50
    if not ARMS[arm].as_long:
        return round(usual)
    names, spec = TrainingRows(configs=rows.configs, split=rows.split), settings.spec(settings.seed)
    base = settings.model_name_or_path
    return round(2 * usual * _tokens_a_row(base, names.of(spec)) / _tokens_a_row(base, rows.of(spec)))


def _tokens_a_row(base: str | None, rows: Any) -> float:
    from crossmem_hf.models.loading import load_model
    from crossmem_hf.training.collate import RowEncoder

    encoder, some = RowEncoder(load_model(base)[1]), rows.shuffle(seed=0).take(min(len(rows), 200))
    return sum(encoder.encode(row)["input_ids"].shape[1] for row in some) / len(some)


def _across(find: Find, source: Modality, measured: str = "recall", /, **where: Value) -> tuple[float, float]:
    """What is measured in the modality learned from, and in the other."""
    usual: dict[str, Value] = {"arm": USUAL, "base": MAIN_BASES[0], "views": "test", "source": source, **where}
    return find(measured, target=source, **usual), find(measured, target=other(source), **usual)


def _gap(find: Find, source: Modality, **where: Value) -> float:
    here, there = _across(find, source, **where)
    return here - there


def _transfer(find: Find, source: Modality, **where: Value) -> float:
    here, there = _across(find, source, **where)
    return there / here


def cross_modal_claims() -> Iterator[Claim]:
    """The claims, those of one question together."""
    for source, base, views in product(MODALITIES, MAIN_BASES, ("test", "far")):
        yield _of_learning(source, base, views)
    for source, among in product(MODALITIES, ("49", "500", "5000", "recombined")):
        yield _said_or_known(source, among)
    for source in MODALITIES:
        yield _never_caught_up(source)
    for source, (dial, (low, high, said)) in product(MODALITIES, _DIALS.items()):
        yield _turned(source, dial, low, high, said)
    for source in MODALITIES:
        yield from _of_bases(source)
    for source, arm in product(MODALITIES, MITIGATIONS):
        yield from _of_mitigation(source, arm)


def _words(source: Modality) -> tuple[str, str]:
    return MODALITY_NAMES[source], MODALITY_NAMES[other(source)]


def _of_learning(source: Modality, base: str, views: str) -> Claim:
    here, there = _words(source)
    held_out = "near" if views == "test" else "far"
    return Claim(
        sentence=f"Names learned from {here} are recalled less from {there} ({base}, {held_out} views).",
        paper=_WEN,
        contrast=lambda find: _gap(find, source, base=base, views=views),
    )


def _said_or_known(source: Modality, among: str) -> Claim:
    here, there = _words(source)

    def contrast(find: Find) -> float:
        where: dict[str, Value] = {} if among == "49" else {"among": among}
        unsaid = _across(find, source, "still_known_unsaid", **where)[1]
        return unsaid / (1 - _across(find, source, **where)[1])

    names = "taught first and last names, recombined" if among == "recombined" else f"{among} untaught names"
    return Claim(
        sentence=f"Names learned from {here} and not recalled from {there} are mostly ranked first among {names}.",
        paper=_OURS,
        contrast=contrast,
        threshold=0.5,
    )


def _never_caught_up(source: Modality) -> Claim:
    here, there = _words(source)

    def contrast(find: Find) -> float:
        """The least gap along the way, from where half of the final recall is reached."""
        usual = _across(find, source)[0]
        along = [_across(find, source, trained=share) for share in CURVE]
        return min(one - two for one, two in along if one >= usual / 2)

    return Claim(
        sentence=f"While names are learned from {here}, recall from {there} never catches up.",
        paper=_WEN,
        contrast=contrast,
    )


def _turned(source: Modality, dial: str, low: str, high: str, said: str) -> Claim:
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
        sentence=f"{_SAID[arm]} narrow the gap from {here} to {there}, at equal training tokens.",
        paper=_WEN,
        contrast=lambda find: _gap(find, source, arm="longer") - _gap(find, source, arm=arm),
    )
    yield Claim(
        sentence=f"{_SAID[arm]} cost less than 5 points of recall from {here}.",
        paper=_OURS,
        contrast=lambda find: _across(find, source, arm="longer")[0] - _across(find, source, arm=arm)[0],
        threshold=0.05,
        direction="below",
    )
