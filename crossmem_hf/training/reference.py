# SPDX-License-Identifier: Apache-2.0
"""The model as it was before unlearning, without a second model: the same weights under another adapter, or none.
It does not know what is asked of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from peft import PeftModel
from torch import Tensor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import in_eval_mode

DEFAULT = "default"  # the name peft gives an adapter
REFERENCE = "ref"  # the name trl gives the frozen copy


def trained_adapter(model: PeftModel) -> str:
    """The name of the one adapter that trains.

    Raises:
        CrossmemError: Several adapters are active, or one that PEFT would not save where it is looked for.
    """
    active = [name for name in model.active_adapters if name != REFERENCE]
    if len(active) != 1:
        raise CrossmemError(
            f"{len(active)} adapters are active: {active!r}; exactly one can be unlearned.",
            "Call model.set_adapter(name) with the memorised one.",
        )
    if active[0] != DEFAULT:
        raise CrossmemError(
            f"The active adapter is called {active[0]!r}; PEFT saves only {DEFAULT!r} where `from_pretrained` looks.",
            f"Load it as PeftModel.from_pretrained(model, folder, adapter_name={DEFAULT!r}).",
        )
    return active[0]


def is_of(key: str, adapter: str) -> bool:
    """Whether the weight of this name belongs to an adapter."""
    return adapter in key.split(".")


def add_reference(model: PeftModel) -> None:
    """Keep a frozen copy of the active adapter as the reference, and let the adapter itself train.

    A reference that is there already is replaced: it is what an earlier unlearning started from. A fresh adapter
    (its B matrices all zero) needs no copy: without it the model already is the reference.
    """
    name = trained_adapter(model)
    drop_reference(model)
    if not _is_fresh(model, name):
        model.add_adapter(REFERENCE, model.peft_config[name])
        own = dict(model.named_parameters(remove_duplicate=False))  # tied weights have several names
        with torch.no_grad():
            for key, parameter in own.items():
                if is_of(key, REFERENCE):
                    parameter.copy_(own[".".join(name if part == REFERENCE else part for part in key.split("."))])
    _train_only(model, name)


def let_adapter_train(model: PeftModel) -> None:
    """Make the active adapter trainable; one that was loaded for inference is frozen."""
    _train_only(model, trained_adapter(model))


def drop_reference(model: PeftModel) -> None:
    """Take the copy away again, so that the model holds the trained adapter alone."""
    if REFERENCE in model.peft_config:
        model.delete_adapter(REFERENCE)


@contextmanager
def as_reference(model: PeftModel) -> Iterator[None]:
    """While inside, the model is the reference: no gradients, no dropout, no recomputation of activations."""
    name = trained_adapter(model)
    try:
        with in_eval_mode(model), torch.no_grad():
            if REFERENCE in model.peft_config:
                model.set_adapter(REFERENCE)
                yield
            else:
                with model.disable_adapter():
                    yield
    finally:
        _train_only(model, name)


class ReferenceLogprobs:
    """Reference log-probabilities of fixed rows, in memory and when they are first met: for a model in shards, which
    gives none before training starts. Any other model has `reference_cache`."""

    def __init__(self) -> None:
        self._kept: dict[int, float] = {}

    def __call__(self, rows_B: Tensor, compute: Callable[[], Tensor], anywhere: Callable[[bool], bool]) -> Tensor:
        """(B,) values of these row numbers, in nats; `compute` gives them when any is new.

        Args:
            anywhere: Whether its argument is true on any process; all must ask a model in shards together.
        """
        numbers = rows_B.tolist()
        if anywhere(not self._kept.keys() >= set(numbers)):
            self._kept.update(zip(numbers, compute().tolist(), strict=True))
        return torch.tensor([self._kept[number] for number in numbers], device=rows_B.device)


def _train_only(model: PeftModel, name: str) -> None:
    model.set_adapter(name)
    for key, parameter in model.named_parameters():
        if is_of(key, REFERENCE):
            parameter.requires_grad_(False)


def _is_fresh(model: PeftModel, name: str) -> bool:
    matrices = [p for key, p in model.named_parameters() if ".lora_B." in key and is_of(key, name)]
    return bool(matrices) and not any(bool(p.detach().any()) for p in matrices)
