# SPDX-License-Identifier: Apache-2.0
"""The fused head that `trl` puts on a model, made to say what the model's own forward pass says, and no more. It knows
no loss.

`trl` multiplies logits by the text model's `logit_scale`. The forward pass of some vision-language models leaves that
out, so what is trained would be another distribution than what answers and is scored. And on CPUs it scores whole
rows, where an answer is a few tokens after a picture's many.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trl.trainer import utils as trl_head

from crossmem_hf.models.modules import UNSCALED


@contextmanager
def unscaled_as_in_forward(model: Any) -> Iterator[None]:
    """A trainer that is made meanwhile scales logits as the model does.

    Args:
        model: With or without adapter.
    """
    text = model.config.get_text_config()
    scale = getattr(text, "logit_scale", None)
    unused = scale is not None and model.config.model_type in UNSCALED
    if unused:
        text.logit_scale = 1.0
    try:
        yield
    finally:
        if unused:
            text.logit_scale = scale


def skip_unlabelled_on_cpu() -> None:
    """Have `trl`'s fused head leave out, on a CPU as on a GPU, the positions where nothing is to be predicted; it
    keeps them elsewhere, lest accelerators compile anew for every shape. A release that decides otherwise is left as
    it is. To be called again does nothing."""
    decides = getattr(trl_head, "_use_triton", None)
    if decides is None or getattr(decides, "on_cpu_too", False):
        return

    def compacts(device: Any) -> bool:
        return device.type == "cpu" or bool(decides(device))

    compacts.on_cpu_too = True  # type: ignore[attr-defined]
    trl_head._use_triton = compacts
