# SPDX-License-Identifier: Apache-2.0
"""A step of training shared between processes: who takes which part, and the sums of what all found. It knows no
loss."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.distributed import joined_state


def taken(costs: Sequence[int]) -> list[bool]:
    """Whether this process takes each of a step's parts: the costliest first, each goes to the least busy process.

    Raises:
        CrossmemError: There are fewer parts than processes.

    Example:
        >>> taken([3, 5, 4])  # of one process
        [True, True, True]
    """
    state = joined_state()
    if len(costs) < state.num_processes:
        raise CrossmemError(
            f"{state.num_processes} processes share a step of {len(costs)} parts; expected no more than parts.",
            "Start fewer processes.",
        )
    busy, takers = [0] * state.num_processes, [0] * len(costs)
    for part in sorted(range(len(costs)), key=lambda part: -costs[part]):
        takers[part] = busy.index(min(busy))
        busy[takers[part]] += costs[part]
    return [taker == state.process_index for taker in takers]


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Set each gradient to the sum over all processes; where no process has one, there is none."""
    state, every = joined_state(), list(parameters)
    if state.num_processes == 1:
        return
    has = torch.tensor([float(one.grad is not None) for one in every], device=every[0].device)
    found = [torch.zeros_like(one) if one.grad is None else one.grad for one in every]
    flat = _sum(torch.cat([has, *(one.flatten() for one in found)]))
    for parameter, count, total in zip(
        every, flat[: len(every)], flat[len(every) :].split([one.numel() for one in every]), strict=True
    ):
        parameter.grad = total.view_as(parameter) if count else None


def sum_losses(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Each loss, over all processes, which must name them alike."""
    values = torch.stack([value.detach() for value in losses.values()])
    return dict(zip(losses, _sum(values).tolist(), strict=True))


def _sum(values: Tensor) -> Tensor:
    if joined_state().num_processes > 1:
        torch.distributed.all_reduce(values)
    return values
