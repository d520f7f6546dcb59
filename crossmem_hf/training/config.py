# SPDX-License-Identifier: Apache-2.0
"""What can be set for training. It reads no file and knows no trainer."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from trl import DPOConfig, SFTConfig

from crossmem_hf.errors import CrossmemError

ForgetLoss = Literal["npo", "ga"]
RetainLoss = Literal["nll", "kl", "none"]


def arg(default: Any, text: str) -> Any:
    """A field with its default and the help shown by ``--help``."""
    return field(default=default, metadata={"help": text})


def settle_device(config: Any) -> None:
    """Resolve what depends on the machine: no bf16 without a GPU that has it, no pinned memory without a GPU."""
    if not torch.accelerator.is_available():
        config.use_cpu = True
    if config.use_cpu:
        config.dataloader_pin_memory = False
    if config.bf16 is None:
        config.bf16 = (
            not (config.fp16 or config.use_cpu) and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        )
    if config.activation_checkpointing is None:
        config.activation_checkpointing = config.gradient_checkpointing


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Nothing, if `value` is one of `choices`.

    Raises:
        CrossmemError: It is not. (Parsers accept any string for a Literal field that comes from YAML.)
    """
    if value not in choices:
        raise CrossmemError(f"{name}={value!r} does not exist.", f"Choose one of {', '.join(map(repr, choices))}.")


NO_LIMIT = "Rows longer than this are cut by trl and refused by crossmem; null (the default) keeps them whole."
CHECKPOINTING = "Recompute activations to save memory. Off by default: worth it from about a billion parameters."
KEEP_COLUMNS = "Off, because rows are encoded when they are used."


@dataclass
class VisionSFTConfig(SFTConfig):
    """`trl.SFTConfig` whose defaults suit rows with images, on any machine. No settings of its own."""

    max_length: int | None = arg(None, NO_LIMIT)
    gradient_checkpointing: bool = arg(False, CHECKPOINTING)
    remove_unused_columns: bool = arg(False, KEEP_COLUMNS)

    def __post_init__(self) -> None:
        settle_device(self)
        super().__post_init__()


@dataclass
class VisionDPOConfig(DPOConfig):
    """`trl.DPOConfig` whose defaults suit rows with images, on any machine. No settings of its own."""

    max_length: int | None = arg(None, NO_LIMIT)
    gradient_checkpointing: bool = arg(False, CHECKPOINTING)

    def __post_init__(self) -> None:
        settle_device(self)
        super().__post_init__()


@dataclass
class UnlearnConfig(VisionSFTConfig):
    """What an `UnlearnTrainer` can be told, on top of `trl.SFTConfig`.

    The loss is ``forget_weight * forget_loss + retain_weight * retain_loss``, each a mean over rows.

    Raises:
        CrossmemError: A choice that does not exist, or a number out of range.

    Reference:
        NPO, https://huggingface.co/papers/2404.05868 (beta 0.1, retain weight 1.0, learning rate 1e-5,
        weight decay 0.01, 10 epochs on TOFU with Llama-2-7B).
    """

    learning_rate: float = arg(1e-5, "Initial learning rate; 1e-5 is NPO's on TOFU.")
    weight_decay: float = arg(0.01, "Weight decay; 0.01 is NPO's on TOFU.")
    forget_loss: ForgetLoss = arg("npo", "What is done to the forget set: npo or ga.")
    forget_beta: float = arg(0.1, "NPO's beta, above 0. Small: close to gradient ascent. 0.1 is NPO's on TOFU.")
    forget_weight: float = arg(1.0, "Weight of the forget loss, at least 0.")
    retain_loss: RetainLoss = arg("nll", "What is done to the retain set: nll, kl or none.")
    retain_weight: float = arg(1.0, "Weight of the retain loss, at least 0.")
    stop_threshold: float | None = arg(
        None, "Stop when recall on the stopping rows is this or lower, 0 to 1; null runs to the end."
    )
    stop_every_steps: int = arg(5, "Optimizer steps between two looks at the stopping rows.")

    def __post_init__(self) -> None:
        check_choice("forget_loss", self.forget_loss, get_args(ForgetLoss))
        check_choice("retain_loss", self.retain_loss, get_args(RetainLoss))
        if not self.forget_beta > 0:
            raise CrossmemError(f"forget_beta={self.forget_beta!r}; it must be above 0.", "NPO's authors use 0.1.")
        for name in ("forget_weight", "retain_weight"):
            if not getattr(self, name) >= 0:
                raise CrossmemError(f"{name}={getattr(self, name)!r} is negative.", "Use 0 to switch a loss off.")
        if self.stop_threshold is not None and not 0.0 <= self.stop_threshold <= 1.0:
            raise CrossmemError(f"stop_threshold={self.stop_threshold!r} is no recall.", "Choose 0 to 1, or null.")
        every = self.stop_every_steps
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise CrossmemError(f"stop_every_steps={every!r} is no number of steps.", "Choose a whole number from 1.")
        super().__post_init__()


@dataclass
class NPOConfig(UnlearnConfig):
    """`UnlearnConfig` for `NPOTrainer`; nothing differs."""


@dataclass
class GAConfig(UnlearnConfig):
    """`UnlearnConfig` for `GATrainer`: gradient ascent on the forget set."""

    forget_loss: ForgetLoss = arg("ga", "What is done to the forget set; GATrainer insists on ga.")
