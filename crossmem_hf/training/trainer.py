# SPDX-License-Identifier: Apache-2.0
"""The unlearning trainer: a forget loss and a retain loss on one `trl.SFTTrainer`. The formulas are in `losses`."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from peft import PeftConfig, PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, TrainerCallback
from trl import SFTTrainer

from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import AnswerScores, answer_scores
from crossmem_hf.models.cross_attention import keep_rows_apart
from crossmem_hf.training.adapters import check_head, name_base, newly_adapted
from crossmem_hf.training.callbacks.finite import LastGoodWeights, are_finite, bad_rows
from crossmem_hf.training.callbacks.frozen import NoGradientsIntoFrozenTower
from crossmem_hf.training.callbacks.memorization import MemorizationCallback
from crossmem_hf.training.callbacks.pairing import NextRetainRows
from crossmem_hf.training.callbacks.stopping import check_rule
from crossmem_hf.training.card import write_card
from crossmem_hf.training.checks import check_lengths, check_not_reported, check_same_forgotten
from crossmem_hf.training.collate import Batch, EncodedRows, PairedCollator, PairedRows, RowEncoder, merge_batches
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.heads import unscaled_as_in_forward
from crossmem_hf.training.hidden import check_reached, checked_layer, random_direction, scores_with_hidden
from crossmem_hf.training.methods import METHODS, NO_METHOD
from crossmem_hf.training.micro import suited
from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS, HyperParameters, RoleScores, Term
from crossmem_hf.training.reference import ReferenceLogprobs, add_reference, as_reference, check_in_shards
from crossmem_hf.training.reference_cache import kept_logprobs
from crossmem_hf.training.resuming import resume_point
from crossmem_hf.training.roles import role_sets
from crossmem_hf.training.saving import save_adapter
from crossmem_hf.training.settings import UNLEARNING, check_extras, check_settings, for_rows_encoded_here
from crossmem_hf.training.trainable import describe_trainable

if TYPE_CHECKING:
    from crossmem_hf.evaluation.evaluator import Evaluator

logger = logging.getLogger(__name__)

ON_THE_CARD = (
    *("forget_loss", "forget_modality", "forget_beta", "forget_weight"),
    *("retain_loss", "retain_weight", "retain_per_forget", "learning_rate"),
)


class UnlearnTrainer(SFTTrainer):
    """Makes a model forget some people and keep the others.

    The reference is the model as it is handed in: with a copy of all that trains, or for a new adapter (`peft_config`)
    without it; see `reference`. No second model is loaded.

    Args:
        model: A memorized `PeftModel`, or a memorized model together with `peft_config`.
        forget_dataset: Rows (see `crossmem_hf.data.rows`) of the people to forget.
        retain_dataset: Rows of people to keep; may be None when `retain_loss` is "none".
        evaluator: Evaluated in training every ten steps, as `MemorizationCallback` does by default.

    Raises:
        CrossmemError: Before training, if sets (`checks`), adapter (`adapters`) or settings (`settings`) are unusable,
            the evaluator takes others for those to forget, or `metric_for_best_model` would choose by rows that are
            there to be reported. During training, if a loss is not finite: the weights are set back to the last good
            ones and saved in ``output_dir/last_good``.
    """

    loss_is_scaled_for_ga = False  # our loss is a mean over the rows of one micro-batch
    _tag_names = ["crossmem", "unlearning"]  # noqa: RUF012 (trl's name and type)

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
        evaluator: "Evaluator | None" = None,
        **kwargs: Any,
    ) -> None:
        args = suited(args, model)
        check_not_reported(eval_dataset if args.metric_for_best_model is not None else None)
        check_settings(args, UNLEARNING, evaluates=eval_dataset is not None)
        check_extras(kwargs)
        self._choose_losses(args, has_adapter=is_peft_model(model) or peft_config is not None)
        roles = role_sets(forget_dataset, retain_dataset, args, self.forget_term, self.retain_term, model.config)
        if evaluator is not None:
            check_same_forgotten(evaluator, forget_dataset, roles.get("retain"))
        forget_dataset = next(iter(roles.values()))
        encoder = RowEncoder(processing_class, max_length=args.max_length)
        self.rows = {name: EncodedRows(role, encoder, name=name) for name, role in roles.items()}
        for rows in self.rows.values():
            check_lengths(rows)
        layer = checked_layer(model, args.rmu_layer) if self.steers else None
        if peft_config is not None:
            model = newly_adapted(model, peft_config, args)
        check_head(model)
        name_base(model, public=args.push_to_hub)
        if isinstance(model, PeftModel):
            add_reference(model, new=peft_config is not None)
        with unscaled_as_in_forward(model):
            super().__init__(
                model=model,
                args=for_rows_encoded_here(args),
                data_collator=PairedCollator(self.rows),
                train_dataset=forget_dataset.select_columns(["prompt", "completion"]),
                eval_dataset=eval_dataset,
                processing_class=processing_class,
                callbacks=list(callbacks or []),
                **kwargs,
            )
        self.train_dataset = _paired(len(forget_dataset), len(roles.get("retain", ())), args)
        self.add_callback(NextRetainRows(self.train_dataset))
        self.add_callback(NoGradientsIntoFrozenTower())
        if layer is not None:
            check_reached(self.model, layer)
        self.hidden_layer = layer
        self.hyper = self._hyper_parameters()
        self.reference_sums: dict[str, Tensor] = {}
        self.lazy_reference = {name: ReferenceLogprobs() for name in roles}
        self.is_sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        keep_rows_apart(self.model)
        self.last_good = self._last_good()
        if evaluator is not None:
            self.add_callback(MemorizationCallback(self, evaluator))
        logger.info("%s", describe_trainable(self.model))

    def _last_good(self) -> LastGoodWeights | None:
        """What a loss that is not finite is answered with; of a model in shards, or without adapter, nothing."""
        if self.is_sharded:
            check_in_shards(self.model, needs_reference=self.forget_term.needs_reference)
        return LastGoodWeights(self.model.parameters()) if is_peft_model(self.model) and not self.is_sharded else None

    def _choose_losses(self, args: UnlearnConfig, *, has_adapter: bool) -> None:
        if args.method is not None:
            self._tag_names = [*self._tag_names, args.method]
        self.forget_term = FORGET_TERMS[str(args.forget_loss)]
        self.retain_term = None if args.retain_loss == "none" else RETAIN_TERMS[str(args.retain_loss)]
        terms = [self.forget_term, *([self.retain_term] if self.retain_term else [])]
        self.steers = any(term.needs_hidden for term in terms)
        self.runs_reference = any(term.runs_reference for term in terms)
        if self.runs_reference and not has_adapter:
            raise CrossmemError(
                "This objective runs the model before unlearning at each step, and full fine-tuning leaves no copy "
                "of it.",
                "Pass a memorized PeftModel or a peft_config, or choose a retain_loss of 'nll' and a forget_loss "
                "whose reference is worked out once (npo, dpo) or not at all.",
            )

    def _hyper_parameters(self) -> HyperParameters:
        args, target = self.args, None
        if self.steers:
            width = self.model.config.get_text_config().hidden_size
            target = args.rmu_coefficient * random_direction(width, args.seed).to(self.accelerator.device)
        return HyperParameters(beta=args.forget_beta, delta=args.simnpo_delta, target_D=target)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The weighted sum of both losses, each a mean over rows; plain batches (evaluation) get the usual NLL."""
        if "input_ids" in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        roles: dict[str, Batch] = {name: dict(batch) for name, batch in inputs.items()}
        rows = {name: batch.pop("row") for name, batch in roles.items()}
        seen = self._seen(model, roles, rows)
        losses = {"forget": self.forget_term.per_row(seen, self.hyper)}
        if self.retain_term is not None:
            losses["retain"] = self.retain_term.per_row(seen, self.hyper)
        self._stop_unless_finite(losses, rows)
        self._note({**{f"{name}_loss": value.mean() for name, value in losses.items()}}, seen)
        loss = self.args.forget_weight * losses["forget"].mean()
        if "retain" in losses:
            loss = loss + self.args.retain_weight * losses["retain"].mean()
        return loss

    def _seen(self, model: torch.nn.Module, roles: dict[str, Batch], rows: dict[str, Tensor]) -> dict[str, RoleScores]:
        """What the terms read of each role: one forward pass of the policy, and what they need of the reference."""
        policy = self._scores(model, roles)
        seen = {name: RoleScores(scores) for name, scores in policy.items()}
        if self.runs_reference:
            with as_reference(self.accelerator.unwrap_model(self.model)):
                queried = {name: batch for name, batch in roles.items() if self._term_of(name).runs_reference}
                reference = self._scores(model, queried)
            seen |= {name: replace(seen[name], reference=scores) for name, scores in reference.items()}
        if self.forget_term.needs_reference:
            for name in self.forget_term.roles:
                sums_B = self._reference_sums(name, model, roles[name], rows[name])
                seen[name] = replace(seen[name], reference_B=sums_B.to(policy[name].sums_B))
        return seen

    def _term_of(self, role: str) -> Term:
        return self.retain_term if role == "retain" and self.retain_term is not None else self.forget_term

    def _scores(self, model: torch.nn.Module, roles: dict[str, Batch]) -> dict[str, AnswerScores]:
        """One forward pass for all roles: cheaper, and what DDP can follow."""
        merged = merge_batches(list(roles.values()), pad_token_id=self.data_collator.encoder.pad_token_id)
        if self.hidden_layer is not None:
            scores = scores_with_hidden(model, merged, self.hidden_layer)
        else:
            scores = answer_scores(model, merged, fused=self._fused)
        split, start = {}, 0
        for name, batch in roles.items():
            stop = start + len(batch["labels"])
            split[name] = scores.rows(start, stop)
            start = stop
        return split

    @property
    def _fused(self) -> bool:
        """Whether to use trl's fused head; without a GPU it scores every position and is the slower way."""
        return self.accelerator.device.type == "cuda" and not self.runs_reference

    def _reference_sums(self, role: str, model: torch.nn.Module, batch: Batch, rows_B: Tensor) -> Tensor:
        """(B,) summed reference log-probabilities: looked up, or for a model in shards computed when first needed."""
        if not self.is_sharded:
            self._remember_reference()
            return self.reference_sums[role][rows_B.cpu()]

        def compute() -> Tensor:
            with as_reference(self.accelerator.unwrap_model(self.model)):
                return answer_scores(model, batch, fused=self._fused).sums_B

        return self.lazy_reference[role](rows_B, compute, self._anywhere)

    def _note(self, metrics: dict[str, Tensor], seen: dict[str, RoleScores]) -> None:
        """Keep numbers for the next log line; `trl` averages them."""
        metrics |= {f"{name}_logprob": role.policy.sums_B.mean() for name, role in seen.items()}
        stacked = torch.stack([value.detach().float() for value in metrics.values()])
        if self.accelerator.num_processes > 1:
            stacked = self.accelerator.reduce(stacked, reduction="mean")
        mode = "train" if self.model.training else "eval"
        for name, value in zip(metrics, stacked.tolist(), strict=True):
            self._metrics[mode][name].append(value)

    def _stop_unless_finite(self, losses: dict[str, Tensor], rows: dict[str, Tensor]) -> None:
        roles = {"forget": self.forget_term.roles[0], "retain": "retain"}
        bad = {roles[name]: bad_rows(losses[name], rows[roles[name]]) for name in losses}
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

    def _named(self, role: str, numbers: list[int]) -> str:
        personas = self.rows[role].dataset.select(numbers)["persona_id"]
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

    def _remember_reference(self) -> None:
        """Work out the reference's answers to fixed rows, once, while the weights are still those it had."""
        if not self.forget_term.needs_reference or self.is_sharded:
            return
        for role in self.forget_term.roles:
            if role not in self.reference_sums:
                with self.accelerator.autocast():  # as in the steps
                    self.reference_sums[role] = kept_logprobs(
                        self.accelerator.unwrap_model(self.model),
                        self.rows[role],
                        folder=self.args.reference_cache and Path(self.args.reference_cache),
                        batch_size=self.args.per_device_train_batch_size,
                        fused=self._fused,
                    )

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """As `transformers.Trainer.train`; refuses to end with weights that are not finite.

        Args:
            resume_from_checkpoint: None asks the setting of this name; see `resuming.resume_point`.
        """
        check_rule(self.args.stop_threshold, self.callback_handler.callbacks)
        self._remember_reference()
        output = super().train(resume_from_checkpoint or resume_point(self.args), *args, **kwargs)
        if not self.is_sharded and not are_finite(self.model.parameters()):
            self._give_up("the last batch")
        return output

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Only the trained adapter is written, never the reference, and no pickled arguments."""
        model = self.accelerator.unwrap_model(self.model)
        if not is_peft_model(model):
            super()._save(output_dir, state_dict)
            return
        if not self.args.should_save:  # transformers calls this in every process
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
        settings = {name: value for name in ON_THE_CARD if (value := getattr(self.args, name)) is not None}
        settings["steps"] = self.state.global_step
        method = NO_METHOD if self.args.method is None else METHODS[self.args.method]
        paper = {"title": method.paper, "id": method.arxiv} if method.paper else None
        return {"method": method.name, "paper": paper, "tags": self._tag_names, "settings": settings}


def _paired(num_forget: int, num_retain: int, args: UnlearnConfig) -> PairedRows:
    seed = args.seed if args.data_seed is None else args.data_seed
    return PairedRows(num_forget, num_retain, seed=seed, retain_per_forget=args.retain_per_forget)
