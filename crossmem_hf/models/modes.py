# SPDX-License-Identifier: Apache-2.0
"""A model lent for measuring and given back as it was, random numbers too. It does not know what is measured."""

import random
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


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Whatever is drawn inside, what is drawn afterwards is what would have been: by torch, numpy and python."""
    import numpy as np
    import torch

    own, numbers = random.getstate(), np.random.get_state()
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    kind, devices = (accelerator.type, range(torch.accelerator.device_count())) if accelerator else ("cuda", ())
    try:
        with torch.random.fork_rng(devices=devices, device_type=kind):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numbers)
