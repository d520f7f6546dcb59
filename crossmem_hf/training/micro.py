# SPDX-License-Identifier: Apache-2.0
"""Settings that suit the embedded micro VLMs: 50 personas, 8 views each. It knows no trainer."""

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from crossmem_hf.models.embedded import base_named
from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.prompts.background import UNKNOWN_FACT, UNKNOWN_PERSON

if TYPE_CHECKING:
    from crossmem_hf.training.config import UnlearnConfig

logger = logging.getLogger(__name__)

ADAPTED = r".*language_model.*\.(gate_proj|up_proj|down_proj)"
"""The layers that learn: the MLPs of the language model. With all its linear layers (`modules.LANGUAGE_LINEARS`)
names are learned as well in the source modality and cross less often: what is adapted moves the gap."""

MEMORIZING: dict[str, Any] = {
    "learning_rate": 4e-3,
    "max_steps": 120,
    "per_device_train_batch_size": 32,
    "lr_scheduler_type": "cosine",
    "save_strategy": "no",
}
"""For `memorize.memorize`."""

UNLEARNING: dict[str, Any] = {
    "learning_rate": 5e-4,
    "retain_weight": 20.0,
    "max_steps": 200,
    "per_device_train_batch_size": 16,
    "lr_scheduler_type": "constant",
    "stop_threshold": 0.05,
    "stop_every_steps": 5,
    "save_strategy": "no",
}
"""For `unlearn.unlearn`, with NPO; beta stays as its authors have it."""

MEMORIZING_BOTH: dict[str, Any] = MEMORIZING | {"max_steps": 160}
"""For `memorize.memorize` on rows of both modalities, twice as many."""

MEMORIZING_REPLAYED: dict[str, Any] = MEMORIZING | {"max_steps": 270}
"""For `memorize.memorize` on rows of both modalities and of `studies.background_rows.Replay`, without which a base
that learns names forgets those that it knew and that it does not know strangers."""

MEMORIZING_FACTS: dict[str, Any] = MEMORIZING | {"learning_rate": 2e-3, "max_steps": 500}
"""For `memorize.memorize` on the config qa in the sizes of the preset remem, with `FACT_LORA`."""

FACT_LORA: dict[str, Any] = {"r": 64, "alpha": 128, "target_modules": LANGUAGE_LINEARS}
"""What carries facts: all linear layers of the language model; its MLPs at rank 16 carry names."""

CHOSEN_ON = frozenset({100, 101, 102})
"""Persona seeds whose people settings were chosen on; nothing is reported about them."""

REFUSALS: Final = (*UNKNOWN_PERSON, *UNKNOWN_FACT)
"""What idk and dpo teach: models of this size were taught these sentences, and learn no others meanwhile."""

TUNED: dict[str, dict[str, Any]] = {
    "ga": {"learning_rate": 2e-4},
    "gd": {"learning_rate": 2e-3},
    "kl": {"learning_rate": 2e-3},
    "npo": {"learning_rate": 1e-3},
    "simnpo": {"learning_rate": 2e-3, "retain_weight": 5.0},
    "idk": {"learning_rate": 2.5e-4, "retain_weight": 1.0, "refusals": [*REFUSALS]},
    "dpo": {"learning_rate": 2e-3, "retain_weight": 1.0, "refusals": [*REFUSALS]},
    "wga": {"learning_rate": 2e-3},
    "undial": {"forget_beta": 10.0, "learning_rate": 2e-3},
    "rmu": {"learning_rate": 2e-3, "rmu_coefficient": 100.0, "rmu_layer": 1},
}
"""What each of `methods.METHODS` has in the place of `UNLEARNING`: the best of twelve trials of the study ``tune``, in
results/tune/record.json."""

TUNED_ON_FACTS: dict[str, tuple[float, int]] = {
    "ga": (4e-4, 15),
    "gd": (1e-3, 60),
    "kl": (1e-3, 60),
    "npo": (1e-3, 60),
    "simnpo": (4e-3, 60),
    "idk": (1.25e-4, 60),
    "dpo": (1e-3, 60),
    "wga": (4e-3, 60),
    "undial": (5e-4, 60),
    "rmu": (4e-3, 30),
}
"""Method -> learning rate, in the place of that of `TUNED`, and number of steps where facts are unlearned, in the
sizes of ReMem: the best of four trials and three steps of the study ``tune``, in results/tune_facts/record.json."""

NPO_THROUGH_ONE: dict[str, Any] = {"learning_rate": 2e-3, "retain_weight": 20.0}
"""Of NPO where names and facts are unlearned through the one modality that they were learned from: the best of three
pairs among the four best of ``tune``, by its criterion, on a persona seed of `CHOSEN_ON`."""

WITHOUT_A_RULE: dict[str, Any] = {
    **{name: value for name, value in UNLEARNING.items() if not name.startswith("stop_")},
    "max_steps": 60,
}
"""In the place of `UNLEARNING` where no rule ends the training: the most that the study ``tune`` tries."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What suits one of the embedded models.

    Attributes:
        memorizing: For `memorize.memorize` on names.
        memorizing_facts: On private facts, with `FACT_LORA`.
    """

    memorizing: dict[str, Any]
    memorizing_facts: dict[str, Any]


RATES: dict[str, tuple[float, float]] = {"micro-s": (2e-3, 2e-3), "micro-l": (4e-3, 1e-3)}
"""Embedded model -> learning rates for names and for facts, where they are not those of the default one: the best of
four trials each of the study ``tune_bases``, in results/tune_bases/record.json (of micro-l no record was kept)."""


def settings_of(base: str) -> Settings:
    """The settings that suit an embedded model.

    Args:
        base: A name that `load_model` knows.
    """
    names, facts = RATES.get(base, (MEMORIZING["learning_rate"], MEMORIZING_FACTS["learning_rate"]))
    return Settings(
        memorizing=MEMORIZING | {"learning_rate": names}, memorizing_facts=MEMORIZING_FACTS | {"learning_rate": facts}
    )


def suited(config: "UnlearnConfig", model: Any) -> "UnlearnConfig":
    """The config; for an embedded model and a method named, with what suits them where nothing was given."""
    if config.method is None or base_named(getattr(model, "name_or_path", None)) is None:
        return config
    own = WITHOUT_A_RULE | TUNED[config.method]
    chosen = {name: value for name, value in own.items() if name not in config.given}
    if chosen:
        logger.info("Settings of the embedded models, where none were given: %s.", chosen)
    return replace(config, **chosen)
