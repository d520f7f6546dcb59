# SPDX-License-Identifier: Apache-2.0
"""A model lent for measuring and given back as it was. It does not know what is measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_eval_mode(model: Any) -> Iterator[None]:
    """No dropout inside; afterwards every module is in the mode it was in, also after an error."""
    learning = [module for module in model.modules() if module.training]
    for module in learning:
        module.training = False
    try:
        yield
    finally:
        for module in learning:
            module.training = True


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """As `in_eval_mode`, and no gradients inside."""
    import torch

    with in_eval_mode(model), torch.inference_mode():
        yield
