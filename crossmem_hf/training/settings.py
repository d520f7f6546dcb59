# SPDX-License-Identifier: Apache-2.0
"""Settings of transformers and trl that would change nothing in a trainer or recipe here, and are refused. It knows
what has no effect, not what the others do; the tests hold the list against the installed versions."""

from collections.abc import Mapping
from copy import copy
from typing import Any, TypeVar

from trl import SFTConfig

from crossmem_hf.errors import CrossmemError

Args = TypeVar("Args", bound=SFTConfig)
Refusals = Mapping[str, tuple[tuple[Any, ...], str]]
"""Setting -> the values it may have, and what to do in the place of another."""

_EVERYWHERE: Refusals = {
    "model_init_kwargs": ((None,), "The model is loaded already: pass these to from_pretrained."),
    "trust_remote_code": ((False,), "The model is loaded already; code from repositories is not run."),
    "use_cache": ((False,), "Leave it out; nothing is generated in training."),
    "label_names": ((None,), "Leave it out; trl's trainers take labels by their own name."),
    "do_predict": ((False,), "Leave it out, and predict with crossmem_hf.generate_answers."),
    "train_sampling_strategy": (("random", "sequential"), "Use 'random' or 'sequential'; lengths are not known."),
    "length_column_name": (("length",), "Leave it out; rows are not grouped by length."),
}
_ROWS_ARE_ENCODED_HERE: Refusals = {
    "assistant_only_loss": ((False,), "Leave it out; losses count the completion, all of which the assistant says."),
    "completion_only_loss": ((None, True), "Leave it out; losses count the completion and never the prompt."),
    "packing": ((False,), "Leave it out; each row keeps a sequence of its own, with its pictures."),
    "packing_strategy": (("bfd",), "Leave it out; rows are not packed."),
    "padding_free": ((False,), "Leave it out; rows are padded to the longest of a batch."),
    "eval_packing": ((None, False), "Leave it out; rows are not packed."),
    "pad_to_multiple_of": ((None, "auto"), "Leave it out; rows are padded to the longest of a batch."),
    "truncation_mode": (("keep_start",), "Leave it out; rows are never cut (see max_length)."),
    "shuffle_dataset": ((False,), "Leave it out; rows are drawn in a new order each epoch."),
    "dataset_text_field": (("text",), "Leave it out; rows have the columns prompt, completion and images."),
    "dataset_num_proc": ((None,), "Use dataloader_num_workers; rows are encoded when they are used."),
    "dataset_kwargs": (
        (None, {}, {"skip_prepare_dataset": True}),
        "Leave it out; rows are encoded when they are used.",
    ),
    "chat_template_path": ((None,), "Set chat_template of the processor before you pass it."),
    "eos_token": ((None,), "Set eos_token of the tokenizer before you pass it."),
    "pad_token": ((None,), "Set pad_token of the tokenizer before you pass it."),
}
UNLEARNING: Refusals = {
    **_EVERYWHERE,
    **_ROWS_ARE_ENCODED_HERE,
    "label_smoothing_factor": ((0, 0.0), "Leave it out; forget_loss and retain_loss say what the losses are."),
    "loss_type": (("nll",), "Leave it out; forget_loss and retain_loss say what the losses are."),
    "router_aux_loss_coef": ((None, 0, 0.0), "Leave it out; the objective has no term for routers."),
    "average_tokens_across_devices": ((True,), "Leave it out; losses are means over rows, not tokens."),
    "include_num_input_tokens_seen": (("no",), "Leave it out; a step has several batches, which are not counted."),
    "parallelism_config": ((None,), "Leave it out; a step has several batches, which cannot be split along rows."),
}
"""Of `UnlearnConfig`, for `UnlearnTrainer` and all that run it."""
SFT: Refusals = {**_EVERYWHERE, **_ROWS_ARE_ENCODED_HERE}
"""Of `VisionSFTConfig`, for `memorize`."""
PREFERRING: Refusals = {
    **_EVERYWHERE,
    "label_smoothing_factor": ((0, 0.0), "Use label_smoothing, which is DPO's."),
    "average_tokens_across_devices": ((True,), "Leave it out; the loss is a mean over pairs, not tokens."),
    "padding_free": ((False,), "Leave it out; trl's DPO switches it off."),
    **{name: _ROWS_ARE_ENCODED_HERE[name] for name in ("pad_to_multiple_of", "truncation_mode", "dataset_num_proc")},
    "sync_ref_model": ((False,), "Leave it out; the reference is the memorized adapter, and stays so."),
    "ref_model_mixup_alpha": ((0.6,), "Leave it out; the reference is the memorized adapter, and stays so."),
    "ref_model_sync_steps": ((512,), "Leave it out; the reference is the memorized adapter, and stays so."),
}
"""Of `VisionDPOConfig`, for ``recipes/unlearn_dpo.py``."""


def check_settings(args: Any, refusals: Refusals, *, evaluates: bool = False) -> None:
    """Nothing, if every setting has an effect, or the value it has by default.

    Args:
        args: A config of transformers or trl.
        refusals: `UNLEARNING`, `SFT` or `PREFERRING`.
        evaluates: Whether there are rows to evaluate on in training.

    Raises:
        CrossmemError: A setting would be ignored; it is named, with what to do.
    """
    for name, (allowed, remedy) in refusals.items():
        if hasattr(args, name) and getattr(args, name) not in allowed:
            raise CrossmemError(f"{name}={_shown(getattr(args, name))} would have no effect here.", remedy)
    if not evaluates:
        for name, off in (("eval_strategy", "no"), ("eval_on_start", False), ("do_eval", False)):
            if getattr(args, name) != off:
                raise CrossmemError(
                    f"{name}={_shown(getattr(args, name))}, and there are no rows to evaluate on.",
                    "Pass eval_dataset to the trainer, or an evaluator, which measures recall "
                    "(--evaluate_every_steps in recipes).",
                )


def for_rows_encoded_here(args: Args) -> Args:
    """A copy that tells trl's trainers to leave rows alone; the caller's stay as they are."""
    args = copy(args)
    args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
    args.remove_unused_columns = False
    return args


def check_extras(given: Mapping[str, Any]) -> None:
    """Nothing, unless an argument of `trl.SFTTrainer` was passed that `UnlearnTrainer` would not heed.

    Raises:
        CrossmemError: One was; it is named, with what to do.
    """
    unheeded = {
        "compute_loss_func": "Choose forget_loss and retain_loss, or add a loss to crossmem_hf.training.losses.",
        "formatting_func": "Format the rows before you pass them, as prompt and completion.",
        "data_collator": "Leave it out; rows are encoded and paired by the trainer.",
        "train_dataset": "Pass forget_dataset and retain_dataset.",
        "quantization_config": "Pass it to from_pretrained when you load the model.",
    }
    for name, remedy in unheeded.items():
        if given.get(name) is not None:
            raise CrossmemError(f"{name} was passed, which would have no effect here.", remedy)


def check_steps(args: Any, rows: int) -> None:
    """Nothing, if training on so many rows makes at least one step.

    Raises:
        CrossmemError: It would end after none; the setting that says so is named.
    """
    batch = args.train_batch_size * (1 if args.accelerator_config.split_batches else args.world_size)
    if args.max_steps == 0:
        what, remedy = "max_steps=0", "Use -1 to train for num_train_epochs."
    elif args.max_steps < 0 and not args.num_train_epochs > 0:
        what, remedy = f"num_train_epochs={args.num_train_epochs!r}", "Use a number above 0, or set max_steps."
    elif args.dataloader_drop_last and rows < batch:
        what = f"dataloader_drop_last=True leaves nothing of {rows} rows in batches of {batch}: training"
        remedy = "Use a smaller per_device_train_batch_size, or leave dataloader_drop_last out."
    else:
        return
    raise CrossmemError(f"{what} would end after 0 steps.", remedy)


def _shown(value: Any) -> str:
    return repr(getattr(value, "value", value))
