# SPDX-License-Identifier: Apache-2.0
"""NPO as a pair of classes, as TRL's users look for it. It does what ``UnlearnConfig(method="npo")`` does."""

from dataclasses import dataclass

from crossmem_hf.training.config import UnlearnConfig, arg
from crossmem_hf.training.trainer import UnlearnTrainer


@dataclass(repr=False)
class NPOConfig(UnlearnConfig):
    """`UnlearnConfig` whose method is NPO."""

    method: str | None = arg("npo", "The method whose losses and settings are taken; npo.")


class NPOTrainer(UnlearnTrainer):
    """`UnlearnTrainer`, by the name that goes with `NPOConfig`."""
