# SPDX-License-Identifier: Apache-2.0
"""A training that can be killed: weights, optimizer state and step in one safetensors file. It knows no schedule."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import write_atomic


def save_training(path: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
    """Write everything needed to go on from `step`; an earlier file stays until the new one is whole."""
    tensors: dict[str, Tensor] = {f"model/{name}": value.clone() for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items() if optimizer else ():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value).clone() for name, value in state.items()}
    write_atomic(path, save(tensors, metadata={"step": str(step)}))


def load_training(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None) -> int:
    """The step that was reached, with model and optimizer set to their state then; 0 if there is no file.

    Raises:
        CrossmemError: The file is corrupt or of another model.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            step = int(file.metadata()["step"])
        model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model/")})
    except (SafetensorError, KeyError, RuntimeError, OSError) as error:
        raise CrossmemError(
            f"{str(path)!r} is no checkpoint of this training: {error}.", "Delete it to start anew."
        ) from error
    if optimizer is not None:
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "optimizer":
                index, _, field = rest.partition("/")
                states.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    return step
