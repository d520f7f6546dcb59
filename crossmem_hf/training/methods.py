# SPDX-License-Identifier: Apache-2.0
"""The methods of the papers by name: which losses each pins, and where it is from. The losses are in `objectives`."""

from dataclasses import dataclass

from crossmem_hf.training.config import ForgetLoss, RetainLoss, UnlearnConfig, arg
from crossmem_hf.training.trainer import UnlearnTrainer

TOFU = {"title": "TOFU: A Task of Fictitious Unlearning for LLMs", "id": "2401.06121"}
PINNED = "Pinned by the method."


@dataclass
class GAConfig(UnlearnConfig):
    """`UnlearnConfig` for `GATrainer`: gradient ascent and nothing else."""

    forget_loss: ForgetLoss = arg("ga", PINNED)
    retain_loss: RetainLoss = arg("none", PINNED)


class GATrainer(UnlearnTrainer):
    """`UnlearnTrainer` with gradient ascent alone."""

    _tag_names = ["crossmem", "unlearning", "ga"]  # noqa: RUF012 (trl's name and type)
    _name, _paper, _losses = "GA", TOFU, ("ga", "none")
    config_class = GAConfig


@dataclass
class GDConfig(UnlearnConfig):
    """`UnlearnConfig` for `GDTrainer`: gradient ascent, and likelihood of the retain set."""

    forget_loss: ForgetLoss = arg("ga", PINNED)
    retain_loss: RetainLoss = arg("nll", PINNED)


class GDTrainer(UnlearnTrainer):
    """`UnlearnTrainer` with gradient difference: ascent on the forget set, descent on the retain set."""

    _tag_names = ["crossmem", "unlearning", "gd"]  # noqa: RUF012
    _name, _paper, _losses = "GD", TOFU, ("ga", "nll")
    config_class = GDConfig


@dataclass
class KLConfig(UnlearnConfig):
    """`UnlearnConfig` for `KLTrainer`: gradient ascent, and closeness to the reference on the retain set."""

    forget_loss: ForgetLoss = arg("ga", PINNED)
    retain_loss: RetainLoss = arg("kl", PINNED)


class KLTrainer(UnlearnTrainer):
    """`UnlearnTrainer` with gradient ascent and a KL retain loss."""

    _tag_names = ["crossmem", "unlearning", "kl"]  # noqa: RUF012
    _name, _paper, _losses = "KL", TOFU, ("ga", "kl")
    config_class = KLConfig


@dataclass
class NPOConfig(UnlearnConfig):
    """`UnlearnConfig` for `NPOTrainer`."""

    forget_loss: ForgetLoss = arg("npo", PINNED)


class NPOTrainer(UnlearnTrainer):
    """`UnlearnTrainer` with the NPO forget loss."""

    _tag_names = ["crossmem", "unlearning", "npo"]  # noqa: RUF012
    _name, _losses, config_class = "NPO", ("npo",), NPOConfig
    _paper = {  # noqa: RUF012
        "title": "Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning",
        "id": "2404.05868",
    }


@dataclass
class SimNPOConfig(UnlearnConfig):
    """`UnlearnConfig` for `SimNPOTrainer`."""

    forget_loss: ForgetLoss = arg("simnpo", PINNED)


class SimNPOTrainer(UnlearnTrainer):
    """`UnlearnTrainer` with the SimNPO forget loss."""

    _tag_names = ["crossmem", "unlearning", "simnpo"]  # noqa: RUF012
    _name, _losses, config_class = "SimNPO", ("simnpo",), SimNPOConfig
    _paper = {  # noqa: RUF012
        "title": "Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning",
        "id": "2410.07163",
    }


@dataclass
class IdkConfig(UnlearnConfig):
    """`UnlearnConfig` for `IdkTrainer`."""

    forget_loss: ForgetLoss = arg("idk", PINNED)


class IdkTrainer(UnlearnTrainer):
    """`UnlearnTrainer` that teaches refusals in the place of the secrets."""

    _tag_names = ["crossmem", "unlearning", "idk"]  # noqa: RUF012
    _name, _paper, _losses, config_class = "IDK", TOFU, ("idk",), IdkConfig


@dataclass
class IdkPOConfig(UnlearnConfig):
    """`UnlearnConfig` for `IdkPOTrainer`."""

    forget_loss: ForgetLoss = arg("dpo", PINNED)


class IdkPOTrainer(UnlearnTrainer):
    """`UnlearnTrainer` that prefers refusals to the secrets, by DPO's loss; `trl.DPOTrainer` has no retain term."""

    _tag_names = ["crossmem", "unlearning", "dpo"]  # noqa: RUF012
    _name, _paper, _losses, config_class = "IdkPO", TOFU, ("dpo",), IdkPOConfig


@dataclass
class WGAConfig(UnlearnConfig):
    """`UnlearnConfig` for `WGATrainer`."""

    forget_loss: ForgetLoss = arg("wga", PINNED)


class WGATrainer(UnlearnTrainer):
    """`UnlearnTrainer` with weighted gradient ascent."""

    _tag_names = ["crossmem", "unlearning", "wga"]  # noqa: RUF012
    _name, _losses, config_class = "WGA", ("wga",), WGAConfig
    _paper = {  # noqa: RUF012
        "title": "Rethinking LLM Unlearning Objectives: A Gradient Perspective and Go Beyond",
        "id": "2502.19301",
    }


@dataclass
class UNDIALConfig(UnlearnConfig):
    """`UnlearnConfig` for `UNDIALTrainer`."""

    learning_rate: float = arg(1e-4, "Initial learning rate; 1e-4 is open-unlearning's for UNDIAL.")
    forget_loss: ForgetLoss = arg("undial", PINNED)
    retain_loss: RetainLoss = arg("none", "Done to the retain set; none, since open-unlearning gives it weight 0.")


class UNDIALTrainer(UnlearnTrainer):
    """`UnlearnTrainer` that distils the reference with the answers' logits lowered."""

    _tag_names = ["crossmem", "unlearning", "undial"]  # noqa: RUF012
    _name, _losses, config_class = "UNDIAL", ("undial",), UNDIALConfig
    _paper = {  # noqa: RUF012
        "title": "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning in Large Language Models",
        "id": "2402.10052",
    }


@dataclass
class RMUConfig(UnlearnConfig):
    """`UnlearnConfig` for `RMUTrainer`, with the retain loss of its authors."""

    forget_loss: ForgetLoss = arg("rmu", PINNED)
    retain_loss: RetainLoss = arg("hidden", "Done to the retain set; hidden is RMU's own.")


class RMUTrainer(UnlearnTrainer):
    """`UnlearnTrainer` that steers hidden states of the forget set towards a random direction."""

    _tag_names = ["crossmem", "unlearning", "rmu"]  # noqa: RUF012
    _name, _losses, config_class = "RMU", ("rmu",), RMUConfig
    _paper = {  # noqa: RUF012
        "title": "The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning",
        "id": "2403.03218",
    }


METHODS: dict[str, type[UnlearnTrainer]] = {
    "ga": GATrainer,
    "gd": GDTrainer,
    "kl": KLTrainer,
    "npo": NPOTrainer,
    "simnpo": SimNPOTrainer,
    "idk": IdkTrainer,
    "dpo": IdkPOTrainer,
    "wga": WGATrainer,
    "undial": UNDIALTrainer,
    "rmu": RMUTrainer,
}
"""What `crossmem compare` and other callers may name."""
