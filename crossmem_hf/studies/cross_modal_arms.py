# SPDX-License-Identifier: Apache-2.0
"""The ways to learn that the study cross_modal compares: rows, adapters, lengths of training. It trains and asks
nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE
from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.modality_text import other
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.background_rows import KnownNames

USUAL: Final = "usual"
LONGER: Final = "longer"
WITH_FACTS: Final = "with_facts"
MAIN_BASES: Final = tuple(base for base in ("micro-m", "micro-m-seed1") if base in BASES) or (DEFAULT_BASE,)
"""Bases of the main claims: two of one recipe, as far as they ship."""
ARMS_ON: Final = "micro-s"
"""The base that arms are compared on: of those that ship, the one with the widest gap, where there is room to move."""
CLOSE_BASES: Final = (MAIN_BASES[0], ARMS_ON)
"""Bases that are asked most: along their training, and among many names."""
_ATTENTION = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
_WITH_PROJECTOR = rf"{LANGUAGE_LINEARS}|.*multi_modal_projector\.linear_\d"
_WHOLE = {"target_modules": "dummy-target-modules", "modules_to_save": ["language_model"]}
"""What PEFT takes for no LoRA at all; and all weights of the language model but its head, which stays what it was."""
_WHOLE_PACE = 0.25
"""Of 1/8, 1/4, 1/2 and 1 the one by which micro-s learns all names of the persona seed 100 in the source modality; of
equals the least, as in the study tune_bases."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What differs from the usual way.

    Attributes:
        settings: Of the study.
        lora: Arguments of `memorize.language_lora`.
        pace: Times the learning rate that suits the base.
        bases: It is run on these of the bases; none leaves that to the settings.
        besides: What else is learned: makes the rows from source and dataset.
        contrast: With a contrastive term between the rows and those that present the same in the other modality,
            whose names are not learned.
        as_long: As many training tokens as the mitigations have, so twice those of the usual way.
        said: What a mitigation does, in words.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    lora: Mapping[str, Any] = field(default_factory=dict)
    pace: float = 1.0
    bases: tuple[str, ...] = ()
    besides: Callable[[Modality, DatasetSpec], TrainingRows | KnownNames] | None = None
    contrast: bool = False
    as_long: bool = False
    said: str = ""


def _captions(split: str) -> Callable[[Modality, DatasetSpec], TrainingRows]:
    return lambda source, _: TrainingRows(configs=("captions",), split=split)


def _facts(source: Modality, _: DatasetSpec) -> TrainingRows:
    return TrainingRows(configs=(f"fact_{source}",), split="train")


def _paired(share: float) -> Callable[[Modality, DatasetSpec], TrainingRows]:
    return lambda source, _: TrainingRows(configs=(f"recall_{other(source)}",), split="train", share=share)


def _known(source: Modality, spec: DatasetSpec) -> KnownNames:
    return KnownNames(modality=source, num_personas=spec.num_personas, num_views=spec.num_views)


def _mitigation(said: str, **how: Any) -> Arm:
    return Arm(as_long=True, said=said, **how)


ARMS: Final[Mapping[str, Arm]] = MappingProxyType(
    {
        USUAL: Arm(),
        WITH_FACTS: Arm(bases=(MAIN_BASES[0], "micro-m-bridge"), besides=_facts),
        **{f"views_{count}": Arm(settings={"num_views": count}) for count in (1, 2, 4, 16, 32)},
        **{f"personas_{count}": Arm(settings={"num_personas": count}) for count in (10, 25, 100, 200)},
        **{f"rank_{rank}": Arm(lora={"r": rank, "alpha": 2 * rank}) for rank in (4, 64)},
        "faster": Arm(pace=2.0),
        "attention": Arm(lora={"target_modules": _ATTENTION}),
        "all_linear": Arm(lora={"target_modules": LANGUAGE_LINEARS}),
        "projector_too": Arm(lora={"target_modules": _WITH_PROJECTOR}),
        "whole": Arm(lora=_WHOLE, pace=_WHOLE_PACE),
        LONGER: Arm(as_long=True),
        "captions_of_them": _mitigation("captions of the same personas, without names,", besides=_captions("target")),
        "captions_of_others": _mitigation("captions of other personas", besides=_captions("background")),
        "paired_10": _mitigation("a tenth of the personas learned through both modalities", besides=_paired(0.1)),
        "paired_30": _mitigation("three tenths of the personas learned through both", besides=_paired(0.3)),
        "known_names": _mitigation("names that the base knows, asked again,", besides=_known),
        "contrastive": _mitigation("a contrastive term between portraits and descriptions", contrast=True),
    }
)
"""Name -> arm."""
MITIGATIONS: Final = tuple(name for name, arm in ARMS.items() if arm.as_long and name != LONGER)
CURVE: Final = tuple(mark / 20 for mark in range(1, 20))
"""Shares of the training after which the usual arm is asked, besides at its end."""


def arm_rows(arm: str, source: Modality, spec: DatasetSpec) -> TrainingRows:
    """What is learned: names through the source modality, and whatever the arm has besides."""
    besides = ARMS[arm].besides
    more = None if besides is None else besides(source, spec)
    return TrainingRows(configs=(f"recall_{source}",), split="train", besides=more)


def arm_contrast(arm: str, source: Modality) -> TrainingRows | None:
    """What a contrastive term brings the rows of names together with; None in most arms."""
    return TrainingRows(configs=(f"recall_{other(source)}",), split="train") if ARMS[arm].contrast else None


def paired_personas(arm: str, source: Modality, spec: DatasetSpec) -> frozenset[str]:
    """The ids of the personas whose names the arm learns through both modalities."""
    besides = arm_rows(arm, source, spec).besides
    if not isinstance(besides, TrainingRows) or besides.configs != (f"recall_{other(source)}",):
        return frozenset()
    return frozenset(besides.of(spec)["persona_id"])


def arm_steps(arm: str, source: Modality, spec: DatasetSpec, base: str | None, steps: int) -> int:
    """Optimizer steps: as many a persona in every arm; of mitigations twice the usual number of training tokens.

    Args:
        spec: The arm's dataset of the seed at work.
        steps: For 50 personas.
    """
    usual = steps * spec.num_personas / 50
    if not ARMS[arm].as_long:
        return round(usual)
    rows, contrast = arm_rows(arm, source, spec), arm_contrast(arm, source)
    own = tokens_a_row(base, rows.of(spec)) + (0 if contrast is None else tokens_a_row(base, contrast.of(spec)))
    names = TrainingRows(configs=rows.configs, split=rows.split)
    return round(2 * usual * tokens_a_row(base, names.of(spec)) / own)


def tokens_a_row(base: str | None, rows: Any) -> float:
    """How many tokens a base reads of a row of ours, pictures and answers included, in the mean."""
    encoder = _encoder(base)
    tokens: list[int] = [encoder.encode(row)["input_ids"].shape[1] for row in rows]
    return sum(tokens) / len(tokens)


@lru_cache(maxsize=1)
def _encoder(base: str | None) -> Any:
    from crossmem_hf.models.loading import load_processor
    from crossmem_hf.training.collate import RowEncoder

    return RowEncoder(load_processor(base))
