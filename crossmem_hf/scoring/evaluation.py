# SPDX-License-Identifier: Apache-2.0
"""A model lent for measuring and given back as it was. It does not know what is measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No dropout and no gradients inside; afterwards every module is in the mode it was in, also after an error."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training
