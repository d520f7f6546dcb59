# SPDX-License-Identifier: Apache-2.0
"""The last weights that were good. It knows numbers that must be finite, not where they come from."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.errors import CrossmemError

SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)


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
        return are_finite(self._parameters)


def are_finite(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether every weight that trains is a number."""
    return all(bool(torch.isfinite(weight).all()) for weight in parameters if weight.requires_grad)


class StopUnlessFinite(TrainerCallback):
    """Stops any trainer whose weights become NaN or infinite, with the last good weights put back and saved.

    Good are weights from which a step was made that ended finite, so weights that blew up without being infinite
    yet are not taken for good. A loss that is not finite shows in the weights after its step. Weights in shards (FSDP,
    DeepSpeed) are not watched: no process has them whole.

    Args:
        save: Writes the model to the folder it gets; called on the process that saves, with the good weights back.

    Raises:
        CrossmemError: Weights are not finite after a step.
    """

    def __init__(self, save: Callable[[str], None]) -> None:
        self.save = save
        self._good: LastGoodWeights | None = None
        self._present: LastGoodWeights | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Copy the weights that training starts from."""
        if AcceleratorState().distributed_type not in SHARDED:
            parameters = list(kwargs["model"].parameters())
            self._good, self._present = LastGoodWeights(parameters), LastGoodWeights(parameters)
            self._good.step = state.global_step

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Copy the weights that the step starts from."""
        if self._present is not None:
            self._present.keep(state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Go on with finite weights only."""
        if self._good is None or self._present is None:
            return
        if self._present.are_finite():
            self._good, self._present = self._present, self._good
            return
        self._good.restore()
        folder = str(Path(str(args.output_dir)) / "last_good")
        if args.should_save:
            self.save(folder)
        raise CrossmemError(
            f"Step {state.global_step} made weights NaN or infinite; "
            f"the weights of step {self._good.step}, the last good ones, are in {folder!r}.",
            "Lower the learning rate, or look for bad pictures among the rows.",
        )


def bad_rows(losses_B: Tensor, rows_B: Tensor) -> list[int]:
    """The numbers of the rows whose loss is NaN or infinite, in order."""
    finite_B = torch.isfinite(losses_B.detach())
    return [] if bool(finite_B.all()) else rows_B[~finite_B].tolist()
