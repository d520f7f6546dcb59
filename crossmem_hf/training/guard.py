# SPDX-License-Identifier: Apache-2.0
"""The last weights that were good. It knows numbers that must be finite, not where they come from."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class LastGoodWeights:
    """A copy of the trainable weights as they were when the loss was last finite.

    It costs one copy of the trained weights in memory, which for an adapter is little.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._copies = [parameter.detach().clone() for parameter in self._parameters]
        self.step = 0

    def keep(self, step: int) -> None:
        """Take the present weights as good; called again for the same step it does nothing."""
        if step != self.step:
            torch._foreach_copy_(self._copies, [parameter.detach() for parameter in self._parameters])
            self.step = step

    def restore(self) -> None:
        """Put the last good weights back."""
        torch._foreach_copy_([parameter.detach() for parameter in self._parameters], self._copies)

    def are_finite(self) -> bool:
        """Whether every trainable weight is a number now."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self._parameters)


def bad_rows(losses_B: Tensor, rows_B: Tensor) -> list[int]:
    """The numbers of the rows whose loss is NaN or infinite, in order."""
    finite_B = torch.isfinite(losses_B.detach())
    return [] if bool(finite_B.all()) else rows_B[~finite_B].tolist()
