# SPDX-License-Identifier: Apache-2.0
"""The methods of the papers by name, one table. It does not know how a loss is computed, nor who is forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Method:
    """What a paper calls by a name.

    Attributes:
        name: As its paper writes it.
        forget_loss: A name of `objectives.FORGET_TERMS`; no other is taken with this method.
        retain_loss: A name of `objectives.RETAIN_TERMS`, or "none".
        paper: Its title.
        arxiv: Its number there.
        is_its_retain_loss: Another retain loss would make another method of it.
        defaults: Settings of `UnlearnConfig` that are published for it, in the place of NPO's.
    """

    name: str
    forget_loss: str
    retain_loss: str
    paper: str
    arxiv: str
    is_its_retain_loss: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What `UnlearnConfig` takes where nothing is set."""
        return {"forget_loss": self.forget_loss, "retain_loss": self.retain_loss, **self.defaults}


_TOFU = ("TOFU: A Task of Fictitious Unlearning for LLMs", "2401.06121")
_NPO = ("Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning", "2404.05868")
_SIMNPO = ("Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning", "2410.07163")
_WGA = ("Rethinking LLM Unlearning Objectives: A Gradient Perspective and Go Beyond", "2502.19301")
_UNDIAL = (
    "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning in Large Language Models",
    "2402.10052",
)
_WMDP = ("The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning", "2403.03218")

METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "ga": Method("GA", "ga", "none", *_TOFU, is_its_retain_loss=True),
        "gd": Method("GD", "ga", "nll", *_TOFU, is_its_retain_loss=True),
        "kl": Method("KL", "ga", "kl", *_TOFU, is_its_retain_loss=True),
        "npo": Method("NPO", "npo", "nll", *_NPO),
        "simnpo": Method("SimNPO", "simnpo", "nll", *_SIMNPO),
        "idk": Method("IDK", "idk", "nll", *_TOFU),
        "dpo": Method("IdkPO", "dpo", "nll", *_TOFU),
        "wga": Method("WGA", "wga", "nll", *_WGA),
        "undial": Method("UNDIAL", "undial", "none", *_UNDIAL, defaults={"learning_rate": 1e-4}),  # open-unlearning's
        "rmu": Method("RMU", "rmu", "hidden", *_WMDP),
    }
)
"""Name -> method. A new one is a line here, with a loss in `losses` and its line in `objectives` if it has a new one.

Betas and weights of losses stand beside the losses, in `objectives.FORGET_TERMS`.
"""

NO_METHOD: Final = Method("Unlearn", "npo", "nll", "", "")
"""Where no method is named: any losses, by default those of NPO."""
