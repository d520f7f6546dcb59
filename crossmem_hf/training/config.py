# SPDX-License-Identifier: Apache-2.0
"""What can be set for training. It reads no file and knows no trainer."""

import logging
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from trl import DPOConfig, SFTConfig

from crossmem_hf.data.refusals import check_sentences
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.training.methods import METHODS, NO_METHOD
from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS
from crossmem_hf.training.settings import UNLEARNING, check_settings

logger = logging.getLogger(__name__)

RETAIN_LOSSES = (*RETAIN_TERMS, "none")
ForgetModality = Literal["image", "text", "both"]
_UNUSED = {"forget_beta": 1.0}
"""What settings are that no loss reads."""


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
        raise unknown(name, [value], choices)


def check_count(name: str, value: object, min_: int = 1) -> None:
    """Nothing, if `value` is a whole number of at least `min_`.

    Raises:
        CrossmemError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < min_:
        raise CrossmemError(f"{name}={value!r} is no such number.", f"Choose a whole number from {min_}.")


def check_number(name: str, value: object) -> None:
    """Nothing, if `value` is a number.

    Raises:
        CrossmemError: It is not, such as a text with a number in it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CrossmemError(f"{name}={value!r} is no number but a {type(value).__name__}.", "Pass e.g. 0.1.")


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
class RunConfig(VisionSFTConfig):
    """How an unlearning run goes, whatever its losses: when it stops, and where it keeps the reference's answers."""

    stop_threshold: float | None = arg(
        None, "Stop when recall on the stopping rows is this or lower, 0 to 1; null runs to the end."
    )
    stop_every_steps: int = arg(5, "Optimizer steps between two evaluations of the stopping rows.")
    reference_cache: str | None = arg(
        None,
        "Folder for the reference's log-probabilities, for later runs too; null: crossmem/reference in HF_HOME.",
    )

    def __post_init__(self) -> None:
        if self.stop_threshold is not None:
            check_number("stop_threshold", self.stop_threshold)
        if self.stop_threshold is not None and not 0.0 <= self.stop_threshold <= 1.0:
            raise CrossmemError(f"stop_threshold={self.stop_threshold!r} is no recall.", "Choose 0 to 1, or null.")
        check_count("stop_every_steps", self.stop_every_steps)
        super().__post_init__()


@dataclass
class UnlearnConfig(RunConfig):
    """The settings of an `UnlearnTrainer`, on top of those of `trl.SFTConfig`.

    A `method` fills in its losses and its published settings; what is set beside it wins, and what contradicts it is
    an error. Without one, any two losses go together. The loss is
    ``forget_weight * forget_loss + retain_weight * retain_loss``, each a mean over rows. Where beta or weight are
    null, those of the forget loss's authors or of open-unlearning stand in; see `objectives.FORGET_TERMS`.

    The embedded model is too small for the learning rates of papers: where a method is named, it is unlearned with
    the settings of `micro.suited` that were not given here.

    Raises:
        CrossmemError: A choice that does not exist, a loss that is not the method's, a number out of range, or a
            setting of trl without effect here.

    Example:
        >>> config = UnlearnConfig("out", method="undial", report_to="none")
        >>> config.forget_loss, config.retain_loss, config.learning_rate, config.forget_beta
        ('undial', 'none', 0.0001, 10.0)

    Reference:
        NPO, https://huggingface.co/papers/2404.05868 (beta 0.1, retain weight 1.0, learning rate 1e-5,
        weight decay 0.01, 10 epochs on TOFU with Llama-2-7B).
        RMU, https://huggingface.co/papers/2403.03218: layer 7 is open-unlearning's, coefficient 2 one of the values
        its configs have had (20 and 300 are others): tune it.
    """

    learning_rate: float | None = arg(None, "Initial learning rate; null: the method's, or 1e-5, NPO's on TOFU.")
    weight_decay: float = arg(0.01, "Weight decay; 0.01 is NPO's on TOFU.")
    method: str | None = arg(None, f"{', '.join(METHODS)}: sets what its paper sets; null: any losses.")
    forget_loss: str | None = arg(
        None, f"Done to the forget set: {', '.join(FORGET_TERMS)}; null: the method's, or npo."
    )
    forget_modality: ForgetModality | None = arg(
        None, "Forget through image, text or both, by the rows' modality; null: the forget set as it is."
    )
    forget_beta: float | None = arg(None, "Beta of the forget loss, above 0; null: the published one (npo 0.1).")
    forget_weight: float | None = arg(None, "Weight of the forget loss, at least 0; null: the published one.")
    refusals: list[str] | None = arg(
        None, "What idk and dpo teach to say, {fact} in the place of what is asked; null: the 114 of `preference`."
    )
    simnpo_delta: float = arg(0.0, "SimNPO's margin, nats a token; 0 in its TOFU settings.")
    rmu_layer: int = arg(7, "Layer of the language model whose hidden states RMU steers, from 0.")
    rmu_coefficient: float = arg(2.0, "How far RMU steers them, above 0.")
    retain_loss: str | None = arg(
        None, f"Done to the retain set: {', '.join(RETAIN_LOSSES)}; null: the method's, or nll."
    )
    retain_weight: float = arg(1.0, "Weight of the retain loss, at least 0.")
    retain_per_forget: int = arg(1, "Retain rows a forget row in each step.")
    given: ClassVar[frozenset[str]] = frozenset()

    def __new__(cls, *args: Any, **given: Any) -> Self:
        """Notes which settings were given, since a model may have its own in the place of the others."""
        config = super().__new__(cls)
        vars(config)["given"] = frozenset(given) | {known.name for known, _ in zip(fields(cls), args, strict=False)}
        return config

    def __post_init__(self) -> None:
        self._fill_in()
        check_choice("forget_loss", self.forget_loss, tuple(FORGET_TERMS))
        check_choice("retain_loss", self.retain_loss, RETAIN_LOSSES)
        if self.forget_modality is not None:
            check_choice("forget_modality", self.forget_modality, get_args(ForgetModality))
        self._warn_of_unused()
        term = FORGET_TERMS[str(self.forget_loss)]
        if self.forget_beta is None:
            self.forget_beta = _UNUSED["forget_beta"] if term.beta is None else term.beta
        self.forget_weight = term.weight if self.forget_weight is None else self.forget_weight
        for name in ("forget_beta", "forget_weight", "rmu_coefficient", "retain_weight", "simnpo_delta"):
            check_number(name, getattr(self, name))
        for name in ("forget_beta", "rmu_coefficient"):
            if not getattr(self, name) > 0:
                raise CrossmemError(f"{name}={getattr(self, name)!r}; it must be above 0.", "NPO's beta is 0.1.")
        for name in ("forget_weight", "retain_weight"):
            if not getattr(self, name) >= 0:
                raise CrossmemError(f"{name}={getattr(self, name)!r} is negative.", "Use 0 to switch a loss off.")
        if self.refusals is not None:
            check_sentences(self.refusals)
        check_count("rmu_layer", self.rmu_layer, min_=0)
        check_count("retain_per_forget", self.retain_per_forget)
        super().__post_init__()
        check_settings(self, UNLEARNING, evaluates=True)
        if self.torch_compile and (self.forget_loss == "rmu" or self.retain_loss == "hidden"):
            raise CrossmemError(
                f"torch_compile with forget_loss={self.forget_loss!r} and retain_loss={self.retain_loss!r}: "
                "a compiled model does not hand out its hidden states.",
                "Leave torch_compile out, or choose losses other than 'rmu' and 'hidden'.",
            )

    def __repr__(self) -> str:
        """What was given and is not the default, and the losses that came of it."""
        always = ("output_dir", "forget_loss", "retain_loss", "learning_rate")
        given = {one.name for one in fields(self) if one.name in self.given and getattr(self, one.name) != one.default}
        shown = (f"{name}={getattr(self, name)!r}" for name in dict.fromkeys([*always, *sorted(given)]))
        return f"{type(self).__name__}({', '.join(shown)})"

    __str__ = __repr__

    def _fill_in(self) -> None:
        """What is null becomes the method's."""
        if self.method is not None:
            check_choice("method", self.method, tuple(METHODS))
        method = NO_METHOD if self.method is None else METHODS[self.method]
        for name, value in {"learning_rate": 1e-5, **method.settings()}.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        insisted = ("forget_loss", "retain_loss") if method.is_its_retain_loss else ("forget_loss",)
        for name in insisted if self.method is not None else ():
            if getattr(self, name) != getattr(method, name):
                raise CrossmemError(
                    f"method={self.method!r} got {name}={getattr(self, name)!r}; it does {getattr(method, name)!r} "
                    "only.",
                    f"Leave {name} out, or leave method out and choose both losses.",
                )

    def _warn_of_unused(self) -> None:
        """Settings of other losses are no errors, since one file of settings serves several; but they are reported."""
        term = FORGET_TERMS[str(self.forget_loss)]
        retains, steers = self.retain_loss != "none", self.forget_loss == "rmu"
        used = {
            "forget_beta": term.beta is not None,
            "refusals": "refusal" in term.roles,
            "simnpo_delta": self.forget_loss == "simnpo",
            "rmu_layer": steers or self.retain_loss == "hidden",
            "rmu_coefficient": steers,
            "retain_weight": retains,
            "retain_per_forget": retains,
        }
        defaults = {known.name: known.default for known in fields(self)}
        for name in sorted(name for name, is_used in used.items() if not is_used):
            if getattr(self, name) not in (defaults[name], _UNUSED.get(name)):
                logger.warning(
                    "%s=%r has no effect with forget_loss=%r and retain_loss=%r.",
                    *(name, getattr(self, name), self.forget_loss, self.retain_loss),
                )
