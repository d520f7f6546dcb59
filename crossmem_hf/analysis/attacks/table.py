# SPDX-License-Identifier: Apache-2.0
"""Which attacks there are, by name: a new one is a file beside this one, and a line here."""

from pathlib import Path
from typing import Any, Final, Protocol

from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.registry import Registry


class Attack(Protocol):
    """A function that asks an evaluator's rows in a way of its own.

    It returns a prediction a row, in the order of the rows, with the columns that the evaluator's own have and those
    that its metric reads, so that predictions of attacks are measured, kept and compared as all others. It makes
    passes through `evaluator`, ``evaluator.altered(...)`` or both, and keeps their logits processor.

    Args:
        seed: Of what it draws; the same seed gives the same predictions.
        output_dir: Folder for finished parts of passes, as for `Evaluator`; what is returned, the caller writes.
        made_from: Goes with `output_dir`: fingerprint of model, code and logits processor.
    """

    def __call__(
        self,
        evaluator: Evaluator,
        model: Any,
        processor: Any,
        *,
        seed: int = 0,
        output_dir: Path | str | None = None,
        made_from: str | None = None,
    ) -> Predictions:
        """The predictions."""


ATTACKS: Final = Registry[Attack](
    "attack",
    {
        "sampling": "crossmem_hf.analysis.attacks.sampling:sampling",
        "described_first": "crossmem_hf.analysis.attacks.described_first:described_first",
        "named_first": "crossmem_hf.analysis.attacks.named_first:named_first",
        "multi_hop": "crossmem_hf.analysis.attacks.multi_hop:multi_hop",
        "reworded": "crossmem_hf.analysis.attacks.reworded:reworded",
        "negated": "crossmem_hf.analysis.attacks.negated:negated",
        "pictures": "crossmem_hf.analysis.attacks.pictures:pictures",
        "hinted": "crossmem_hf.analysis.attacks.hinted:hinted",
        "typographic": "crossmem_hf.analysis.attacks.hinted:typographic",
        "multiple_choice": "crossmem_hf.analysis.attacks.multiple_choice:multiple_choice",
        "ranked": "crossmem_hf.analysis.attacks.ranked:ranked",
        "avoided": "crossmem_hf.analysis.attacks.avoided:avoided",
        "confirmed": "crossmem_hf.analysis.attacks.confirmed:confirmed",
        "several_pictures": "crossmem_hf.analysis.attacks.several_pictures:several_pictures",
        "in_context": "crossmem_hf.analysis.attacks.in_context:in_context",
        "evolved": "crossmem_hf.analysis.attacks.evolved:evolved",
        "soft_prompt": "crossmem_hf.analysis.attacks.soft_prompt:soft_prompt",
        "adversarial_picture": "crossmem_hf.analysis.attacks.adversarial_picture:adversarial_picture",
        "quantized": "crossmem_hf.analysis.attacks.quantized:quantized",
        "pruned": "crossmem_hf.analysis.attacks.pruned:pruned",
        "early_exit": "crossmem_hf.analysis.attacks.early_exit:early_exit",
        "tuned_lens": "crossmem_hf.analysis.attacks.tuned_lens:tuned_lens",
        "relearning": "crossmem_hf.training.relearning:relearning",  # they train, which is above this folder
        "relearning_others": "crossmem_hf.training.relearning:relearning_others",
        "rescaled": "crossmem_hf.analysis.attacks.rescaled:rescaled",
    },
)
"""Name -> attack."""
