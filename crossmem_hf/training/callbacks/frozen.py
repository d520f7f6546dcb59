# SPDX-License-Identifier: Apache-2.0
"""No gradients into parts that do not train. It knows why they would get any, and nothing of what is trained.

With recomputed activations `transformers` lets the inputs of every sub-model ask for gradients, a vision tower's too,
so that reentrant checkpointing reaches adapters in the layers above. A tower that is frozen as a whole has none: it
would be run twice and gone back through for nothing.
"""

from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.models.modules import part_of


class NoGradientsIntoFrozenTower(TrainerCallback):
    """Ends the gradient where a vision tower begins, as long as nothing in the tower trains.

    Losses, and gradients of what trains, stay the same to the last bit.
    """

    def __init__(self) -> None:
        self._hooks: list[RemovableHandle] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look for towers now that checkpointing has been switched on, which is when gradients are asked for."""
        self._remove()
        if args.activation_checkpointing:
            for name, part in kwargs["model"].named_modules():
                if isinstance(part, PreTrainedModel) and part_of(name) == "vision tower":
                    self._stop_at(part)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the model as it was."""
        self._remove()

    def _remove(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _stop_at(self, tower: PreTrainedModel) -> None:
        def without_gradient(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            trains = any(weight.requires_grad for weight in tower.parameters())  # it may have been thawed since
            return output if trains else output.detach()

        try:
            embeddings = tower.get_input_embeddings()
        except RuntimeError:  # it names none, so no gradient is asked of it either
            return
        if embeddings is not None:
            self._hooks.append(embeddings.register_forward_hook(without_gradient))
