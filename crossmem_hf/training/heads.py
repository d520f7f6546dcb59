# SPDX-License-Identifier: Apache-2.0
"""The fused head that `trl` puts on a model, made to say what the model's own forward pass says. It knows no loss.

`trl` multiplies logits by the text model's `logit_scale`. The forward pass of some vision-language models leaves that
out, so what is trained would be another distribution than what answers and is scored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
