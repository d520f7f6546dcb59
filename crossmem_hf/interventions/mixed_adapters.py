# SPDX-License-Identifier: Apache-2.0
"""Several LoRA adapters added up at the output of each layer, with weights a row. It does not know who may use which.

Shapes: ``B`` rows, ``T`` tokens, ``D`` width.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.interventions.auxiliary import adapters_off
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.models.modules import is_beside_the_text

_SETTINGS: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "bias": ("none",),
        "init_lora_weights": (True, False, "gaussian", "eva", "orthogonal"),
        "layer_replication": (None, []),
        "modules_to_save": (None, []),
        "target_parameters": (None, []),
        "trainable_token_indices": (None, []),
    }
)
"""Setting -> what leaves the base as it was and the adapter a sum of products; others move weights of the base itself,
or change more than the outputs of linear layers."""


@dataclass(frozen=True, slots=True)
class _Share:
    """The rows that an adapter is added to, and by how much."""

    adapter: str
    rows_R: Tensor
    weights_R11: Tensor


def check_mixable(model: Any, adapters: Sequence[str]) -> None:
    """Nothing, if these adapters of a PEFT model can be added up: LoRA of the language model's linear layers.

    Raises:
        CrossmemError: The model has no adapters, or not these; one of its adapters is of another kind (DoRA, trained
            biases, modules or tokens of its own, a base that was split for it as in PiSSA), is merged into the base,
            or changes the vision tower or the projector, where pictures and not rows are counted.
    """
    configs = getattr(model, "peft_config", None)
    if not configs or not hasattr(model, "disable_adapter"):
        raise CrossmemError(f"A {type(model).__name__} has no adapters.", "Pass a peft.PeftModel that has them.")
    missing = [name for name in adapters if name not in configs]
    if missing:
        raise unknown("adapter", missing, configs)
    for name, config in configs.items():  # all of them: a bias that one trains is a bias of the base
        if getattr(config.peft_type, "value", config.peft_type) != "LORA":
            raise _not_mixable(name, f"is of type {config.peft_type}")
        for setting, allowed in _SETTINGS.items():
            value = getattr(config, setting, allowed[0])
            if value not in allowed:
                raise _not_mixable(name, f"has {setting}={value!r}")
    for place, module in _lora_layers(model).items():
        _check_layer(place, module, adapters)


def _check_layer(place: str, module: Any, adapters: Sequence[str]) -> None:
    from transformers.pytorch_utils import Conv1D

    if module.merged_adapters:
        raise _not_mixable(module.merged_adapters[0], f"is merged into the base at {place!r}")
    for name in adapters:
        if name in module.lora_embedding_A or name in module.lora_variant:
            raise _not_mixable(name, f"is no plain LoRA of a linear layer at {place!r}")
        if name in module.lora_A:
            if not isinstance(module.get_base_layer(), nn.Linear | Conv1D):
                raise _not_mixable(name, f"changes a {type(module.get_base_layer()).__name__} at {place!r}")
            if is_beside_the_text(place):
                raise _not_mixable(name, f"changes the vision tower or the projector at {place!r}")


@contextmanager
def adapters_mixed(model: Any, weights: Sequence[Mapping[str, float]], *, copies: int = 1) -> Iterator[None]:
    """Whatever runs inside, each row of a batch gets the outputs of its own adapters, added up with its own weights.

    At each layer with LoRA a row's output is ``W x + sum_n weight_n * scaling_n * B_n A_n x``, the sum in float32 or
    wider and in the order of the adapters' names. What a row has no weight for is not computed for it, so that nothing
    of it, be it NaN, comes near; a row without weights is the base's to the bit. Which adapters are active does not
    matter. Without dropout; afterwards the model is as it was, also after an error.

    Args:
        model: A `peft.PeftModel`. Hooks are put on it, of which `torch.compile` takes no notice.
        weights: For each row of the batches inside, adapter -> weight.
        copies: Rows that `generate` makes of each: the larger of ``num_beams`` and ``num_return_sequences``.

    Raises:
        CrossmemError: As `check_mixable`; a weight that is below 0 or not finite; copies below 1; and, from the model
            inside, a batch with other than ``len(weights) * copies`` rows, or adapters that were switched on.

    Reference:
        AC-LoRA, https://huggingface.co/papers/2505.11557: merged at the output of each module, not in weights.

    Example:
        >>> from crossmem_hf import load_model
        >>> from crossmem_hf.training.memorize import default_lora
        >>> from peft import get_peft_model
        >>> base, _ = load_model()
        >>> model = get_peft_model(base, default_lora(base), adapter_name="sales")
        >>> with adapters_mixed(model, [{"sales": 1.0}, {}]), torch.no_grad():
        ...     logits = model(input_ids=torch.tensor([[1, 2], [1, 2]])).logits
        >>> logits.shape[0]
        2
    """
    if isinstance(copies, bool) or not isinstance(copies, int) or copies < 1:
        raise CrossmemError(f"copies={copies!r}; expected a whole number from 1.", "Pass num_beams, or leave it out.")
    given = sorted({(name, float(weight)) for row in weights for name, weight in row.items()})
    wrong = [(name, weight) for name, weight in given if not 0 <= weight < float("inf")]
    if wrong:
        raise CrossmemError(
            f"The adapter {wrong[0][0]!r} has the weight {wrong[0][1]}.", "Pass finite weights from 0."
        )
    names = list(dict.fromkeys(name for name, weight in given if weight))
    check_mixable(model, names)
    by_row = [row for row in weights for _ in range(copies)]  # as generate repeats them, copies side by side
    shares = [_share(name, by_row, model.device) for name in names]

    def add(module: Any, args: tuple[Any, ...], out: Tensor) -> Tensor:
        _check_inside(module, args[0], len(weights), copies)
        return _mixed(module, args[0], out, shares)

    with ExitStack() as held:
        held.enter_context(in_eval_mode(model))
        held.enter_context(adapters_off(model))
        for module in _lora_layers(model).values():
            held.callback(module.register_forward_hook(add).remove)
        yield


def _share(adapter: str, by_row: Sequence[Mapping[str, float]], device: Any) -> _Share:
    rows = [number for number, row in enumerate(by_row) if row.get(adapter)]
    shares = torch.tensor([by_row[number][adapter] for number in rows], dtype=torch.float32)
    return _Share(adapter, torch.tensor(rows, device=device), shares.to(device)[:, None, None])


def _check_inside(module: Any, x: Tensor, rows: int, copies: int) -> None:
    """A batch whose rows are not those that the weights are for must not be answered."""
    if not module.disable_adapters:
        raise CrossmemError(
            "Adapters were switched on while rows have adapters of their own.", "Leave the model's adapters alone."
        )
    if x.dim() != 3 or len(x) != rows * copies:
        raise CrossmemError(
            f"A layer reads {tuple(x.shape)}; expected (rows, tokens, width) of {rows} rows, {copies} copies each.",
            "Pass one entry a row of the batch, and the larger of num_beams and num_return_sequences as copies.",
        )


def _mixed(module: Any, x_BTD: Tensor, out_BTD: Tensor, shares: Sequence[_Share]) -> Tensor:
    """What a layer puts out, with the rows' adapters added to what its base does."""
    wide = torch.promote_types(out_BTD.dtype, torch.float32)
    mixed_BTD = out_BTD.to(wide, copy=True)
    for share in shares:
        if share.adapter in module.lora_A:
            down, up = module.lora_A[share.adapter], module.lora_B[share.adapter]
            rows = share.rows_R.to(x_BTD.device)
            own_RTD = up(down(x_BTD[rows].to(down.weight.dtype))).to(wide)
            scales_R11 = share.weights_R11.to(x_BTD.device) * module.scaling[share.adapter]
            mixed_BTD[rows] = mixed_BTD[rows] + own_RTD * scales_R11.to(wide)
    return mixed_BTD.to(out_BTD.dtype)


def _lora_layers(model: Any) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def _not_mixable(adapter: str, reason: str) -> CrossmemError:
    return CrossmemError(
        f"The adapter {adapter!r} {reason}; expected plain LoRA beside an unchanged base.",
        "Train it with LoRA on the linear layers of the language model (crossmem_hf.training.memorize.default_lora).",
    )
