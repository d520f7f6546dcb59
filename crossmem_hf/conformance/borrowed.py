# SPDX-License-Identifier: Apache-2.0
"""A user's model, lent for a step of training and given back as it was. It does not know the checks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftModel, get_peft_model
from transformers import PreTrainedConfig

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.cross_attention import rows_apart
from crossmem_hf.seeding import seed_everything
from crossmem_hf.training.memorize import default_lora
from crossmem_hf.training.reference import drop_reference, let_adapter_train


@contextmanager
def adapted(model: Any) -> Iterator[PeftModel]:
    """The model with an adapter that trains: its own, or a fresh one on the language model, taken off afterwards.

    Weights, what trains, modes and methods are afterwards what they were.

    Raises:
        CrossmemError: No layer has a name that adapters are put on.
    """
    own = isinstance(model, PeftModel)
    trained = {name: part.requires_grad for name, part in model.named_parameters()}
    modes = {name: module.training for name, module in model.named_modules()}
    kept = {name: part.detach().clone() for name, part in model.named_parameters() if own and _is_small(name)}
    # Trainers put methods and tags on a model, and their tokenizer's ends into its settings.
    parts = [(part, dict(vars(part))) for part in ((model, model.get_base_model()) if own else (model,))]
    settings = [(one, dict(vars(one))) for one in _settings_of(model)]
    lent = model if own else _with_fresh(model)
    try:
        with rows_apart(lent):
            let_adapter_train(lent)
            yield lent
    finally:
        if own:
            drop_reference(lent)
        else:
            lent.unload()
        for thing, before in (*parts, *settings):
            vars(thing).clear()
            vars(thing).update(before)
        for name, part in model.named_parameters():
            part.requires_grad_(trained[name])
            part.grad = None
            if name in kept:
                part.data.copy_(kept[name])
        for name, module in model.named_modules():
            module.training = modes[name]


def _settings_of(model: Any) -> list[Any]:
    """The model's configuration, those within it, and its settings of generation."""
    several = [model.config, *(value for value in vars(model.config).values() if isinstance(value, PreTrainedConfig))]
    return [*several, *([model.generation_config] if getattr(model, "generation_config", None) else [])]


def _is_small(name: str) -> bool:
    return ".lora_" in name or ".modules_to_save." in name


def _with_fresh(model: Any) -> PeftModel:
    lora = default_lora(model)
    if not any(re.fullmatch(str(lora.target_modules), name) for name, _ in model.named_modules()):
        raise CrossmemError(
            f"No module of {type(model).__name__} has a name like {lora.target_modules}.",
            "Pass a regular expression of your own as lora_target_modules.",
        )
    seed_everything(0)
    return get_peft_model(model, lora)
