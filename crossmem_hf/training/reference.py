# SPDX-License-Identifier: Apache-2.0
"""The model as it was before unlearning, without a second model: with a copy of what trains, or without its adapter.
It does not know what is asked of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.training.adapters import can_be_doubled, check_adapter, check_saved, trainable

DEFAULT = "default"  # the name peft gives an adapter
REFERENCE = "ref"  # the name trl gives the frozen copy
_ASIDE = "_crossmem_aside"  # on the model, so that it goes wherever the model is copied to


def trained_adapter(model: PeftModel) -> str:
    """The name of the one adapter that trains.

    Raises:
        CrossmemError: Several adapters are active, or one that PEFT would not save where it is looked for.
    """
    active = [name for name in model.active_adapters if name != REFERENCE]
    if len(active) != 1:
        raise CrossmemError(
            f"{len(active)} adapters are active: {active!r}; exactly one can be unlearned.",
            "Call model.set_adapter(name) with the memorized one.",
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


def add_reference(model: PeftModel, *, new: bool = False) -> None:
    """Keep what the active adapter is now as the reference, and let the adapter itself train.

    A reference that is there already is replaced: it is what an earlier unlearning started from. LoRA is kept as a
    second, frozen adapter, which weights in shards can have too. Of other kinds, and of biases and whatever else
    trains with the adapter, the values are put aside. A fresh LoRA (its B matrices all zero) needs no copy: without it
    the model already is the reference.

    Args:
        new: The adapter was added just now, so that the reference is the model without it, whatever it starts from.

    Raises:
        CrossmemError: The adapter cannot be trained here; see `adapters`.
    """
    name = trained_adapter(model)
    check_adapter(model, name)
    drop_reference(model)
    config: Any = model.peft_config[name]
    doubled = can_be_doubled(config)
    without = new or (doubled and _is_fresh(model, name))
    if doubled and not without:
        # plainly initialized, as some ways to initialize take the adapter out of the base model's weights
        model.add_adapter(REFERENCE, replace(config, init_lora_weights=True))
        own = dict(model.named_parameters(remove_duplicate=False))  # tied weights have several names
        for key, parameter in own.items():
            if is_of(key, REFERENCE):
                twin = own[".".join(name if part == REFERENCE else part for part in key.split("."))]
                parameter.data = twin.detach().clone()  # of the same dtype, which PEFT may have chosen otherwise
    _train_only(model, name)
    check_saved(model, name)
    kept = {key: weight.detach().clone() for key, weight in trainable(model).items()}
    if doubled or without:
        kept = {key: value for key, value in kept.items() if not is_of(key, name)}
    vars(model)[_ASIDE] = kept


def let_adapter_train(model: PeftModel) -> None:
    """Make the active adapter trainable; one that was loaded for inference is frozen.

    Raises:
        CrossmemError: The adapter cannot be trained here; see `adapters`.
    """
    name = trained_adapter(model)
    check_adapter(model, name)
    _train_only(model, name)
    check_saved(model, name)


def drop_reference(model: PeftModel) -> None:
    """Take the copy away again, so that the model holds the trained adapter alone."""
    vars(model).pop(_ASIDE, None)
    if REFERENCE in model.peft_config:
        model.delete_adapter(REFERENCE)


def put_aside(model: Any) -> list[str]:
    """The names of the weights whose values are put aside, which weights in shards cannot have."""
    return list(vars(model).get(_ASIDE, {}))


def reference_adapter(model: PeftModel) -> str | None:
    """The adapter that the reference uses: the copy, the trained one with the values put aside, or none."""
    if REFERENCE in model.peft_config:
        return REFERENCE
    name = trained_adapter(model)
    return name if any(is_of(key, name) for key in put_aside(model)) else None


def check_in_shards(model: Any, *, needs_reference: bool) -> None:
    """Nothing, if the reference of this model can be had while processes hold its weights in shards.

    Args:
        needs_reference: Whether reference log-probabilities are asked for.

    Raises:
        CrossmemError: It cannot.
    """
    if not isinstance(model, PeftModel) and needs_reference:
        raise CrossmemError(
            "Weights in shards (FSDP, DeepSpeed) give no log-probabilities before training starts, and full "
            "fine-tuning leaves no copy of them for later.",
            "Train an adapter, or use a forget_loss without a reference.",
        )
    aside = put_aside(model)
    if aside:
        raise CrossmemError(
            f"Weights in shards (FSDP, DeepSpeed) cannot be set back, and {aside[0]!r} trains outside what PEFT keeps "
            "twice.",
            "Train LoRA with bias='none', or keep the whole model on each device (ddp.yaml).",
        )


@contextmanager
def as_reference(model: PeftModel) -> Iterator[None]:
    """While inside, the model is the reference: no gradients, no dropout, no recomputation of activations."""
    name, uses = trained_adapter(model), reference_adapter(model)
    try:
        with in_eval_mode(model), torch.no_grad(), _aside_lent(model):
            if uses is None:
                with model.disable_adapter():
                    yield
            else:
                model.set_adapter(uses)
                yield
    finally:
        _train_only(model, name)


@contextmanager
def _aside_lent(model: PeftModel) -> Iterator[None]:
    """The values put aside in the place of the trained ones. Storages change hands, so a backward pass that is still
    to come finds the trained values where it left them."""
    weights = dict(model.named_parameters())
    lent = [(weights[key], value) for key, value in vars(model).get(_ASIDE, {}).items()]
    trained = [weight.data for weight, _ in lent]
    try:
        for weight, value in lent:
            weight.data = value.to(weight.device)
        yield
    finally:
        for (weight, _), value in zip(lent, trained, strict=True):
            weight.data = value


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
    """Whether the adapter adds exactly nothing: all its weights are zero, but for the A matrices."""
    own = [(key, weight) for key, weight in model.named_parameters() if is_of(key, name)]
    rest = [weight for key, weight in own if ".lora_A." not in key]
    return bool(rest) and not any(bool(weight.detach().any()) for weight in rest)
