# SPDX-License-Identifier: Apache-2.0
"""Which of PEFT's adapters can be trained here: those that can be set back to what they were and that load again as
they were saved. It trains nothing, and knows no reference."""

from collections.abc import Iterator
from typing import Any

import torch
from accelerate.utils import is_peft_model
from peft import PeftConfig, PeftMixedModel, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import TrainableTokensWrapper
from torch import nn
from transformers import PreTrainedModel, set_seed

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import BASES, base_named, hub_name

KINDS = frozenset(
    {
        *("LORA", "BEFT", "BOFT", "C3A", "DEFT", "DELORA", "FOURIERFT", "FROD", "GLORA", "GRALORA", "HIRA", "HRA"),
        *("IA3", "LILY", "LN_TUNING", "LOHA", "LOKR", "MISS", "OFT", "OSF", "PEANUT", "PSOFT", "PVERA", "RANDLORA"),
        *("ROAD", "SHIRA", "SUPERTUNING", "TINYLORA", "TRAINABLE_TOKENS", "UNILORA", "VBLORA", "VERA", "WAVEFT"),
    }
)
"""PEFT's kinds that are accepted. A kind that a later PEFT adds is refused until the tests have seen it."""

REFUSED = {
    "ADALORA": "its ranks are handed out by a call after each step and a term in the loss, and trainers here make "
    "neither",
    "ADAMSS": "its subspaces are chosen by a callback in training, which trainers here do not have",
    "ADAPTION_PROMPT": "it puts prompts into the layers of a few text models, and no vision-language model is one",
    "POLY": "it needs the number of a task with each row",
    "SHADOW": "it needs a term of its own in the loss",
    "XLORA": "it mixes other adapters by a classifier that reads each prompt twice",
}
_VIRTUAL = "it puts virtual tokens before the prompt, so that answers are no longer where the labels say"

_LORA_INITS = (True, False, "gaussian", "orthogonal", "eva", "mica", "pissa", "olora")
_INTO_THE_BASE = ("pissa", "olora")  # of those: what a fresh adapter adds is taken from the base model's weights
_LORA_PARTS = {
    "kasa_config": "KaSA needs a term of its own in the loss",
    "monteclora_config": "MonteCLoRA needs a term of its own in the loss",
    "arrow_config": "Arrow chooses between other adapters and trains none",
    "alora_invocation_tokens": "an activated LoRA does nothing before invocation tokens, which prompts lack",
}
_PLAIN = "Use LoRA with bias='none', the default, or another of PEFT's kinds that docs/unlearning.md lists."


def adapted(model: PreTrainedModel | PeftModel, config: PeftConfig, **how: Any) -> PeftModel:
    """The model with a new adapter of this kind, wrapped in place as PEFT does.

    Raises:
        CrossmemError: There is an adapter already, the kind is not one that is trained here, or no module fits it.
    """
    if is_peft_model(model):
        raise CrossmemError(
            "A new peft_config or lora was passed with a model that has an adapter.",
            "Leave it out to train the one that is there, or merge that into the base first.",
        )
    _check_config(config)
    init = getattr(config, "init_lora_weights", None)
    if init in _INTO_THE_BASE:
        raise CrossmemError(
            f"init_lora_weights={init!r} makes a new adapter out of the base model's weights, so "
            "the model without it is no longer the one that was handed in.",
            "Use init_lora_weights=True, or hand in a PeftModel with this adapter.",
        )
    try:
        wrapped: Any = get_peft_model(model, config, **how)
    except ValueError as error:
        raise CrossmemError(
            f"No adapter fits target_modules={getattr(config, 'target_modules', None)!r}: {error}",
            "Name modules that the model has.",
        ) from error
    return wrapped


def name_base(model: PreTrainedModel | PeftModel, *, public: bool) -> None:
    """Let adapters on an embedded model say where `AutoPeftModel` finds it, whatever they said before.

    Args:
        public: By its name on the Hub, for an adapter that is pushed; else by its folder on this machine.
    """
    name = str(model.get_base_model().name_or_path) if isinstance(model, PeftModel) else ""
    base = base_named(name)
    if base is not None:
        for config in model.peft_config.values():
            config.base_model_name_or_path = hub_name(base) if public else str(BASES.get(base, name))


def newly_adapted(model: PreTrainedModel | PeftModel, config: PeftConfig, args: Any) -> PeftModel:
    """`adapted`, with the seed and the dtype that trl's trainers would take, but before a trainer has the model."""
    set_seed(args.seed)
    sharded = args.deepspeed_plugin is not None and args.deepspeed_plugin.zero_stage == 3
    # ZeRO-3 gathers weights of one dtype only: github.com/huggingface/trl/issues/6089
    how = {"autocast_adapter_dtype": False} if sharded and not getattr(model, "is_quantized", False) else {}
    return adapted(model, config, **how)


def check_adapter(model: PeftModel, name: str) -> None:
    """Nothing, if the adapter of this name can be trained, set back, and loaded again as it was saved.

    Raises:
        CrossmemError: Its kind is not accepted (`KINDS`), it is merged or switched off, or the base model holds
            running statistics that training would change and no adapter saves.
    """
    _check_config(model.peft_config[name])
    status = model.get_model_status()
    if status.merged_adapters:
        raise CrossmemError(
            f"The adapter is merged into the base model ({status.merged_adapters!r}), so nothing of it would train.",
            "Call model.unmerge_adapter() first.",
        )
    if status.enabled is not True:
        raise CrossmemError(
            f"Layers of the adapter are switched off (enabled: {status.enabled!r}), so nothing of them would train.",
            "Call model.base_model.enable_adapter_layers() first.",
        )
    running = next(_running_statistics(model), None)
    if running is not None:
        raise CrossmemError(
            f"{running!r} keeps running statistics, which training changes and an adapter does not save.",
            "Freeze them first, such as with timm.layers.freeze_batch_norm_2d or torchvision's FrozenBatchNorm2d.",
        )


def check_saved(model: PeftModel, name: str) -> None:
    """Nothing, if all that trains is part of the adapter as PEFT saves it.

    Raises:
        CrossmemError: Other weights train too; the first is named.
    """
    # without asking the Hub for the base model's vocabulary, as PEFT would to decide about whole embeddings
    saved = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    places = {tensor.data_ptr() for tensor in saved.values()}
    lost = [key for key, weight in trainable(model).items() if weight.data_ptr() not in places]
    if lost:
        raise CrossmemError(
            f"{len(lost)} weights train that are not saved with the adapter {name!r}, such as {lost[0]!r}.",
            "Call requires_grad_(False) on them, or name their modules in modules_to_save of the adapter's config.",
        )


def check_copied_by_trl(model: PeftModel) -> None:
    """Nothing, if the reference that `trl.DPOTrainer` makes of the active adapter is a true copy.

    It adds a second adapter of the same config and copies the weights that have ``.default.`` in their names.

    Raises:
        CrossmemError: Some of what trains would not be copied, or PEFT takes no second adapter of this config.
    """
    config = model.peft_config["default"]
    outside = [key for key in trainable(model) if ".default." not in key]
    into_the_base = getattr(config, "init_lora_weights", None) in _INTO_THE_BASE
    if not can_be_doubled(config) or into_the_base or outside:
        what = f"trains {outside[0]!r}" if outside else f"is {described(config)}"
        raise CrossmemError(
            f"The adapter {what}, of which trl.DPOTrainer keeps no true copy as its reference.",
            "Use recipes/unlearn.py with --forget_loss dpo, which has the same loss and keeps one.",
        )


def check_head(model: PreTrainedModel | PeftModel) -> None:
    """Nothing, unless an adapter is on the output layer, whose own weight and bias trl's trainers read.

    Raises:
        CrossmemError: One is, be it by way of embeddings tied to the layer; or the model mixes kinds of adapters.
    """
    if isinstance(model, PeftMixedModel):
        raise CrossmemError(
            f"A {type(model).__name__} mixes adapters of several kinds; one adapter can be trained.",
            "Use a PeftModel, such as of get_peft_model.",
        )
    head = model.get_output_embeddings() if isinstance(model, PeftModel) else None
    if isinstance(head, BaseTunerLayer | TrainableTokensWrapper):
        raise CrossmemError(
            "The adapter is on the output layer (or on embeddings tied to it); trl's trainers read that layer's own "
            "weight and would neither use nor train the adapter.",
            "Leave it out of target_modules and trainable_token_indices, or name it in modules_to_save.",
        )


def can_be_doubled(config: PeftConfig) -> bool:
    """Whether PEFT takes a second adapter of this config on the same model, the only kind that works in shards."""
    return _kind(config) == "LORA" and getattr(config, "bias", "none") == "none"


def described(config: PeftConfig) -> str:
    """The kind of an adapter, and its bias if that is a matter."""
    bias = getattr(config, "bias", "none")
    return _kind(config) + ("" if bias == "none" else f" with bias={bias!r}")


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """What trains, by name; weights that several modules share have one of their names."""
    return {key: weight for key, weight in model.named_parameters() if weight.requires_grad}


def _kind(config: PeftConfig) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def _check_config(config: PeftConfig) -> None:
    kind = _kind(config)
    if kind not in KINDS:
        why = _VIRTUAL if config.is_prompt_learning else REFUSED.get(kind, "nobody has tested it here")
        raise CrossmemError(f"Adapters of the kind {kind} cannot be trained here: {why}.", _PLAIN)
    if kind != "LORA":
        return
    for part, why in _LORA_PARTS.items():
        if getattr(config, part, None) is not None:
            raise CrossmemError(f"A LoRA adapter with {part} cannot be trained here: {why}.", f"Leave {part} out.")
    init = getattr(config, "init_lora_weights", True)
    if init not in _LORA_INITS:
        raise CrossmemError(
            f"init_lora_weights={init!r} rewrites the base model by chance or by data, so that a saved adapter does "
            "not load on the base as it was.",
            f"Use one of {', '.join(map(repr, _LORA_INITS))}.",
        )


def _running_statistics(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        if isinstance(getattr(module, "running_mean", None), torch.Tensor) and getattr(
            module, "track_running_stats", False
        ):
            yield name
