# SPDX-License-Identifier: Apache-2.0
"""Which kinds of rows there are, by name: a new one is a file beside this one, and a line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.registry import Registry

if TYPE_CHECKING:
    import datasets

KINDS: Final = Registry[Kind](
    "config",
    {
        "recall_image": "crossmem_hf.data.configs.recall:IMAGE",
        "recall_text": "crossmem_hf.data.configs.recall:TEXT",
        "fact_image": "crossmem_hf.data.configs.fact:IMAGE",
        "fact_text": "crossmem_hf.data.configs.fact:TEXT",
        "captions": "crossmem_hf.data.configs.captions:CAPTIONS",
        "qa": "crossmem_hf.data.configs.qa:TRAINING",
        "qa_test": "crossmem_hf.data.configs.qa:HELD_OUT",
        "qa_far": "crossmem_hf.data.configs.qa:FAR",
        "profiles": "crossmem_hf.data.configs.profiles:PROFILES",
        "candidates": "crossmem_hf.data.configs.candidates:CANDIDATES",
        "two_hop": "crossmem_hf.data.configs.two_hop:TRAINING",
        "two_hop_test": "crossmem_hf.data.configs.two_hop:HELD_OUT",
        "two_hop_far": "crossmem_hf.data.configs.two_hop:FAR",
        "multi_image": "crossmem_hf.data.configs.multi_image:MULTI_IMAGE",
        "robust": "crossmem_hf.data.configs.robust:ROBUST",
        "perturbed": "crossmem_hf.data.configs.perturbed:PERTURBED",
        "preference": "crossmem_hf.data.configs.preference:PREFERENCE",
    },
)
"""Config -> its kind. Held-out questions are a config of their own: loading any split fetches its whole config."""

SPLITS: Mapping[str, tuple[str, ...]] = MappingProxyType({config: kind.splits for config, kind in KINDS.items()})
"""Config -> its splits."""

DEFAULT_CONFIG = "recall_image"


def features_of(config: str) -> "datasets.Features":
    """The columns of a config.

    Example:
        >>> sorted(features_of("recall_image")) == sorted(features_of("qa"))
        True
    """
    return KINDS[config].features()


def check_config(config: str) -> None:
    """Accept a config that exists.

    Raises:
        CrossmemError: It does not; the message lists those that do.
    """
    if config not in SPLITS:
        raise unknown("config", [config], SPLITS)


def check_split(config: str, split: str) -> None:
    """Accept a split that a config has; sums and slices such as ``"forget+retain"`` or ``"test[:10]"`` are fine.

    Raises:
        CrossmemError: It has none of that name; the message lists those it has.
    """
    check_config(config)
    for part in split.split("+"):
        if part.partition("[")[0].strip() not in SPLITS[config]:
            raise CrossmemError(
                f"Unknown split {split!r} of config {config!r}; expected one of {', '.join(SPLITS[config])}.",
                "Pick one of them, or join several with '+'.",
            )
