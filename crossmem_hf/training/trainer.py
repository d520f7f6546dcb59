# SPDX-License-Identifier: Apache-2.0
"""The unlearning trainer: a forget loss and a retain loss on one `trl.SFTTrainer`. The formulas are in `losses`."""

import logging
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from peft import PeftConfig, PeftModel
from torch import Tensor
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTTrainer

from crossmem_hf.data.splits import check_disjoint
from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import AnswerScores, answer_scores
from crossmem_hf.training.card import write_card
from crossmem_hf.training.checks import check_lengths, check_rows
from crossmem_hf.training.collate import Batch, EncodedRows, PairedCollator, PairedRows, RowEncoder, merge_batches
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.guard import LastGoodWeights, bad_rows
from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS, Reference, Term
from crossmem_hf.training.people import personas_of
from crossmem_hf.training.reference import ReferenceLogprobs, add_reference, as_reference
from crossmem_hf.training.saving import save_adapter
from crossmem_hf.training.trainable import describe_trainable

logger = logging.getLogger(__name__)


class UnlearnTrainer(SFTTrainer):
    """Makes a model forget some people and keep the others.

    The reference is the model as it is handed in: for a memorised adapter, a frozen copy of it; for a new adapter
    (`peft_config`, or one whose B matrices are zero), the model without it. No second model is loaded.

    Args:
        model: A memorised `PeftModel`, or a memorised model together with `peft_config`.
        forget_dataset: Rows (see `crossmem_hf.data.rows`) of the people to forget.
        retain_dataset: Rows of people to keep; may be None when `retain_loss` is "none".

    Raises:
        CrossmemError: Before training, if the sets are unusable (see `checks`). During training, if a loss is not
            finite: the weights are set back to the last good ones and saved in ``output_dir/last_good``.
    """

    loss_is_scaled_for_ga = False  # our loss is a mean over the rows of one micro-batch
    _tag_names = ["crossmem", "unlearning"]  # noqa: RUF012 (trl's name and type)
    _name = "Unlearn"
    _forget_loss: str | None = None  # what a subclass insists on

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        args: UnlearnConfig,
        forget_dataset: Dataset,
        retain_dataset: Dataset | None = None,
        *,
        processing_class: ProcessorMixin | PreTrainedTokenizerBase,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        callbacks: Sequence[TrainerCallback] | None = None,
        peft_config: PeftConfig | None = None,
        **kwargs: Any,
    ) -> None:
        if self._forget_loss not in (None, args.forget_loss):
            raise CrossmemError(
                f"{type(self).__name__} got forget_loss={args.forget_loss!r}; it does {self._forget_loss!r} only.",
                "Use UnlearnTrainer, which takes any.",
            )
        self.forget_term = FORGET_TERMS[args.forget_loss]
        self.retain_term = None if args.retain_loss == "none" else RETAIN_TERMS[args.retain_loss]
        sides = self._checked_sides(model, args, forget_dataset, retain_dataset)
        self._check_reference(model, peft_config)
        encoder = RowEncoder(processing_class, max_length=args.max_length)
        self.rows = {name: EncodedRows(side, encoder, name=name) for name, side in sides.items()}
        for rows in self.rows.values():
            check_lengths(rows)
        if isinstance(model, PeftModel):
            add_reference(model)
        args = copy(args)  # the caller's stay as they are
        args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
        args.remove_unused_columns = False
        super().__init__(
            model=model,
            args=args,
            data_collator=PairedCollator(self.rows),
            train_dataset=forget_dataset.select_columns(["prompt", "completion"]),
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            callbacks=list(callbacks or []),
            peft_config=peft_config,
            **kwargs,
        )
        num_retain = len(sides.get("retain", ()))
        seed = args.seed if args.data_seed is None else args.data_seed
        self.train_dataset = PairedRows(len(forget_dataset), num_retain, seed=seed)
        self.add_callback(_NextRetainRows(self.train_dataset))
        self.reference_logprobs = ReferenceLogprobs()
        is_sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        self.last_good = None if is_sharded else LastGoodWeights(self.model.parameters())
        logger.info("%s", describe_trainable(self.model))

    def _checked_sides(
        self, model: PreTrainedModel | PeftModel, args: UnlearnConfig, forget: Dataset, retain: Dataset | None
    ) -> dict[str, Dataset]:
        """The sets that will be used, by name."""
        check_rows(forget, "forget", model_config=model.config)
        if self.retain_term is None:
            return {"forget": forget}
        if retain is None:
            raise CrossmemError(
                f"retain_loss={args.retain_loss!r} needs a retain set, and there is none.",
                "Pass retain_dataset, or set retain_loss to 'none'.",
            )
        check_rows(retain, "retain", model_config=model.config)
        check_disjoint(personas_of(forget), personas_of(retain))
        return {"forget": forget, "retain": retain}

    def _check_reference(self, model: PreTrainedModel | PeftModel, peft_config: PeftConfig | None) -> None:
        terms = [self.forget_term, self.retain_term]
        asks = any(term is not None and (term.needs_reference or term.needs_logits) for term in terms)
        if asks and peft_config is None and not is_peft_model(model):
            raise CrossmemError(
                "This objective compares with the model before unlearning, and full fine-tuning leaves no copy of it.",
                "Pass a memorised PeftModel, or a peft_config so that the old weights stay.",
            )

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The weighted sum of both losses, each a mean over rows; plain batches (evaluation) get the usual NLL."""
        if "forget" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        sides: dict[str, Batch] = {name: dict(batch) for name, batch in inputs.items()}
        rows = {name: batch.pop("row") for name, batch in sides.items()}
        policy = self._policy_scores(model, sides)
        losses = {"forget": self._forget_losses(model, policy["forget"], sides["forget"], rows["forget"])}
        if self.retain_term is not None:
            losses["retain"] = self._retain_losses(self.retain_term, model, policy["retain"], sides["retain"])
        self._stop_unless_finite(losses, rows)
        self._note({**{f"{name}_loss": value.mean() for name, value in losses.items()}}, policy)
        loss = self.args.forget_weight * losses["forget"].mean()
        if "retain" in losses:
            loss = loss + self.args.retain_weight * losses["retain"].mean()
        return loss

    def _policy_scores(self, model: torch.nn.Module, sides: dict[str, Batch]) -> dict[str, AnswerScores]:
        """One forward pass for both sides: cheaper, and what DDP can follow."""
        pad = self.data_collator.encoder.pad_token_id
        scores = answer_scores(model, merge_batches(list(sides.values()), pad_token_id=pad), fused=self._fused)
        split, start = {}, 0
        for name, batch in sides.items():
            stop = start + len(batch["labels"])
            split[name] = scores.rows(start, stop)
            start = stop
        return split

    @property
    def _fused(self) -> bool:
        """Whether to use trl's fused head; without a GPU it scores every position and is the slower way."""
        uses_logits = self.retain_term is not None and self.retain_term.needs_logits
        return self.accelerator.device.type == "cuda" and not uses_logits

    def _forget_losses(self, model: torch.nn.Module, policy: AnswerScores, batch: Batch, rows_B: Tensor) -> Tensor:
        def reference_logprobs() -> Tensor:
            with as_reference(self.accelerator.unwrap_model(self.model)):
                return answer_scores(model, batch, fused=self._fused).sums_B

        reference = Reference()
        if self.forget_term.needs_reference:
            reference = Reference(
                self.reference_logprobs(rows_B, reference_logprobs, self._anywhere).to(policy.sums_B.dtype)
            )
        return self.forget_term.per_row(policy, reference, self.args.forget_beta)

    def _retain_losses(self, term: Term, model: torch.nn.Module, policy: AnswerScores, batch: Batch) -> Tensor:
        reference = Reference()
        if term.needs_logits:
            with as_reference(self.accelerator.unwrap_model(self.model)):
                reference = Reference(logits_NV=answer_scores(model, batch).logits_NV)
        return term.per_row(policy, reference, self.args.forget_beta)

    def _note(self, metrics: dict[str, Tensor], policy: dict[str, AnswerScores]) -> None:
        """Keep numbers for the next log line; `trl` averages them."""
        metrics |= {f"{name}_logprob": scores.sums_B.mean() for name, scores in policy.items()}
        stacked = torch.stack([value.detach().float() for value in metrics.values()])
        if self.accelerator.num_processes > 1:
            stacked = self.accelerator.reduce(stacked, reduction="mean")
        mode = "train" if self.model.training else "eval"
        for name, value in zip(metrics, stacked.tolist(), strict=True):
            self._metrics[mode][name].append(value)

    def _stop_unless_finite(self, losses: dict[str, Tensor], rows: dict[str, Tensor]) -> None:
        bad = {name: bad_rows(losses[name], rows[name]) for name in losses}
        if self._anywhere(any(bad.values())):  # all processes stop together, or the others would wait for ever
            self._give_up(
                "; ".join(f"{name}: {self._named(name, numbers)}" for name, numbers in bad.items() if numbers)
            )
        elif self.last_good is not None and self.model.training:
            self.last_good.keep(self.state.global_step)

    def _anywhere(self, found: bool) -> bool:
        """Whether `found` is true on any process."""
        if self.accelerator.num_processes == 1:
            return found
        return bool(self.accelerator.gather(torch.tensor([found], device=self.accelerator.device)).any())

    def _named(self, side: str, numbers: list[int]) -> str:
        personas = self.rows[side].dataset.select(numbers)["persona_id"]
        return ", ".join(f"row {number} ({persona})" for number, persona in zip(numbers, personas, strict=True))

    def _give_up(self, where: str) -> None:
        saved = f"the last checkpoint in {self.args.output_dir!r} is unchanged"
        if self.last_good is not None:
            self.last_good.restore()
            folder = str(Path(self.args.output_dir) / "last_good")
            if self.args.should_save:
                self._save(folder)
            saved = f"the weights of step {self.last_good.step}, the last good ones, are in {folder!r}"
        raise CrossmemError(
            f"The loss at step {self.state.global_step} is NaN or infinite ({where or 'another process'}); {saved}.",
            "Lower the learning rate, or look at these rows.",
        )

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As `transformers.Trainer.train`; refuses to end with weights that are not finite."""
        output = super().train(*args, **kwargs)
        if self.last_good is not None and not self.last_good.are_finite():
            self._give_up("the last batch")
        return output

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Only the trained adapter is written, never the reference, and no pickled arguments."""
        model = self.accelerator.unwrap_model(self.model)
        if not is_peft_model(model):
            super()._save(output_dir, state_dict)
            return
        folder = output_dir or self.args.output_dir
        save_adapter(model, self.processing_class, folder, state_dict=state_dict, **self._card())

    def create_model_card(
        self, model_name: str | None = None, dataset_name: str | None = None, tags: str | list[str] | None = None
    ) -> None:
        """Write ``README.md`` with a quick start that shows the model a picture."""
        if self.is_world_process_zero():
            model = self.accelerator.unwrap_model(self.model)
            card = self._card() | {"model_name": model_name, "dataset_name": dataset_name}
            write_card(self.args.output_dir, model=model, **card)

    def _card(self) -> dict[str, Any]:
        names = ("forget_loss", "forget_beta", "forget_weight", "retain_loss", "retain_weight", "learning_rate")
        settings = {name: getattr(self.args, name) for name in names} | {"steps": self.state.global_step}
        return {"method": self._name, "paper": self._paper, "tags": self._tag_names, "settings": settings}


class NPOTrainer(UnlearnTrainer):
    """`UnlearnTrainer` with the NPO forget loss."""

    _tag_names = ["crossmem", "unlearning", "npo"]  # noqa: RUF012
    _name = "NPO"
    _forget_loss = "npo"
    _paper = {  # noqa: RUF012
        "title": "Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning",
        "id": "2404.05868",
    }


class GATrainer(UnlearnTrainer):
    """`UnlearnTrainer` with gradient ascent."""

    _tag_names = ["crossmem", "unlearning", "ga"]  # noqa: RUF012
    _name = "GA"
    _forget_loss = "ga"


class _NextRetainRows(TrainerCallback):
    """Tells the pairing which epoch begins."""

    def __init__(self, pairs: PairedRows) -> None:
        self.pairs = pairs

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.pairs.epoch = int(state.epoch or 0)
