# SPDX-License-Identifier: Apache-2.0
"""Which defenses there are, by name: a new one is a file beside this one, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.registry import Registry

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class Defense:
    """What a defense changes; what is None stays as it is.

    Attributes:
        prepare: Takes the model, and gives the one to ask.
        logits_processor: Changes the logits of each next token of free answers, as `generate_answers` takes it.
    """

    prepare: Callable[[Any], Any] | None = None
    logits_processor: Any = None

    def applied(self, evaluator: Evaluator, model: Any) -> tuple[Evaluator, Any]:
        """The evaluator and the model as the defense leaves them, to call or to attack."""
        queried = evaluator
        if self.logits_processor is not None:
            queried = evaluator.altered(logits_processor=self.logits_processor)
        return queried, model if self.prepare is None else self.prepare(model)


Defend = Callable[[Any, Any, "Dataset"], Defense]
"""Makes a defense from a model, its processor and the rows to forget; it leaves the model as it is."""

DEFENSES: Final = Registry[Defend](
    "defense",
    {
        "ban_answers": "crossmem_hf.interventions.ban_answers:ban_answers",
        "cp_fuse": "crossmem_hf.interventions.cp_fuse:cp_fuse",
        "mem_free": "crossmem_hf.interventions.mem_free:mem_free",
        "token_swap": "crossmem_hf.interventions.token_swap:token_swap",
    },
)
"""Name -> what makes the defense."""
