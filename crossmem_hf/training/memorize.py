# SPDX-License-Identifier: Apache-2.0
"""Teaching personas to a model: LoRA on the language model, by `trl.SFTTrainer`. It does not know who they are."""

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, TrainerCallback
from trl import SFTTrainer

from crossmem_hf.data.forms import conversational
from crossmem_hf.data.selection import personas_of
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.cross_attention import keep_rows_apart
from crossmem_hf.models.modules import LANGUAGE_LINEARS, linears_of
from crossmem_hf.seeding import seed_everything
from crossmem_hf.training.adapters import adapted, check_head, name_base
from crossmem_hf.training.callbacks.finite import StopUnlessFinite
from crossmem_hf.training.callbacks.frozen import NoGradientsIntoFrozenTower
from crossmem_hf.training.checks import check_lengths, check_rows
from crossmem_hf.training.collate import EncodedRows, RowCollator, RowEncoder
from crossmem_hf.training.config import VisionSFTConfig
from crossmem_hf.training.contrast import Contrast, ContrastCollator, ContrastiveSFTTrainer
from crossmem_hf.training.heads import skip_unlabelled_on_cpu, unscaled_as_in_forward
from crossmem_hf.training.micro import MEMORIZING
from crossmem_hf.training.reference import let_adapter_train
from crossmem_hf.training.resuming import OwnCheckpoints, resume_point
from crossmem_hf.training.saving import save_adapter
from crossmem_hf.training.settings import SFT, check_settings, check_steps, for_rows_encoded_here
from crossmem_hf.training.trainable import describe_trainable

logger = logging.getLogger(__name__)


def default_lora(model: PreTrainedModel | PeftModel) -> LoraConfig:
    """LoRA on the linear layers of the language model, which without an image tower is all of the model."""
    return language_lora(target_modules=linears_of(model))


def language_lora(
    r: int = 16, alpha: int = 32, target_modules: str = LANGUAGE_LINEARS, modules_to_save: Sequence[str] | None = None
) -> LoraConfig:
    """LoRA on the language model only; the vision tower and the projector stay as they are.

    Args:
        modules_to_save: Modules that learn as a whole, besides.
    """
    whole = None if modules_to_save is None else [*modules_to_save]
    return LoraConfig(r=r, lora_alpha=alpha, target_modules=target_modules, modules_to_save=whole)


def memorize(
    model: PreTrainedModel | PeftModel,
    processor: ProcessorMixin | PreTrainedTokenizerBase,
    rows: Dataset,
    *,
    output_dir: str | os.PathLike[str],
    config: VisionSFTConfig | None = None,
    lora: LoraConfig | None = None,
    callbacks: Sequence[TrainerCallback | Callable[[SFTTrainer], TrainerCallback]] = (),
    contrast: Contrast | None = None,
    **overrides: Any,
) -> PeftModel:
    """The model with an adapter that has learned the rows' answers; the adapter is also saved in `output_dir`.

    Args:
        model: Wrapped in place, as PEFT does. A `PeftModel` goes on training its active adapter.
        rows: See `crossmem_hf.data.rows`; any mixture of image and text rows.
        config: Complete settings; None takes `micro.MEMORIZING`.
        lora: None for `default_lora`; not allowed with a `PeftModel`.
        callbacks: Or functions that make one of the trainer, to whose collator rows are numbers in a column ``row``.
        contrast: Brings the rows together with those that present the same personas in the other modality.
        overrides: Fields of `VisionSFTConfig` that replace those of `micro.MEMORIZING`, such as ``seed=1``.

    Raises:
        CrossmemError: Rows that cannot be trained on (see `checks`) or contrasted, or both `config` and `overrides`.
            Weights that become NaN or infinite: the last good ones are put back, and in ``output_dir/last_good``.
    """
    if config is not None and overrides:
        raise CrossmemError(f"Both config and overrides {sorted(overrides)!r} were passed.", "Pass one of them.")
    config = config or VisionSFTConfig(output_dir=str(output_dir), **(MEMORIZING | overrides))
    check_settings(config, SFT)
    make, collator = _trained_by(model, processor, rows, config, contrast)
    learner = _with_adapter(model, lora, config)
    config = for_rows_encoded_here(config)

    def save(folder: str | os.PathLike[str]) -> None:
        settings = {"learning_rate": config.learning_rate, "steps": trainer.state.global_step}
        save_adapter(learner, processor, folder, method="SFT", tags=["crossmem", "memorized"], settings=settings)

    with unscaled_as_in_forward(learner):
        trainer = make(
            model=learner,
            args=config,
            data_collator=collator,
            train_dataset=Dataset.from_dict({"row": range(len(rows))}),
            processing_class=processor,
            callbacks=[StopUnlessFinite(save), OwnCheckpoints(), NoGradientsIntoFrozenTower()],
        )
    for one in callbacks:
        trainer.add_callback(one if isinstance(one, TrainerCallback) else one(trainer))
    trainer.train(resume_from_checkpoint=resume_point(config))
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.save_model(str(output_dir))  # gathers the shards
    elif config.should_save:
        save(output_dir)
    return learner


def _with_adapter(model: Any, lora: LoraConfig | None, config: VisionSFTConfig) -> PeftModel:
    """The model with the adapter that learns."""
    if lora is not None or not isinstance(model, PeftModel):
        seed_everything(config.seed)
        model = adapted(model, lora or default_lora(model))
    name_base(model, public=config.push_to_hub)
    keep_rows_apart(model)
    let_adapter_train(model)
    check_head(model)
    logger.info("%s", describe_trainable(model))
    adapted_model: PeftModel = model
    return adapted_model


def _trained_by(
    model: Any, processor: Any, rows: Dataset, config: VisionSFTConfig, contrast: Contrast | None
) -> tuple[Callable[..., SFTTrainer], Callable[..., Any]]:
    """What makes the trainer, and its collator."""
    skip_unlabelled_on_cpu()
    collator = RowCollator(_encoded(model, processor, rows, config))
    if contrast is None:
        return SFTTrainer, collator
    others = RowCollator(_encoded(model, processor, contrast.beside(rows), config))
    return partial(ContrastiveSFTTrainer, contrast=contrast), ContrastCollator(collator, others, personas_of(rows))


def _encoded(model: Any, processor: Any, rows: Dataset, config: VisionSFTConfig) -> EncodedRows:
    rows = conversational(rows, "the training set")
    check_rows(rows, "training", model_config=model.config)
    check_steps(config, len(rows))
    encoded = EncodedRows(rows, RowEncoder(processor, max_length=config.max_length), name="training")
    check_lengths(encoded)
    return encoded
