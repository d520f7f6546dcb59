# SPDX-License-Identifier: Apache-2.0
"""The sides of `unlearn_step`: trainers on the same rows and weights, a clock in each. It compares nothing.

Ours and the floor (GD) are trainers of the library, SFT is `trl.SFTTrainer` with our batches and guard. The two-model
NPO is written as peers write it: a deep copy of the model is the reference, both run on the forget batch and give
logits for every position, retain rows have a forward of their own. It is given what peers do not have: rows that are
encoded already, losses on answers only and a mean over rows, so that it comes to the same loss. Checkpointing is as
`transformers` has it for SFT and the two models: back through the frozen vision tower, too.
"""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from arena import Arena
from contest import Run
from datasets import Dataset, concatenate_datasets
from peft import PeftModel, get_peft_model
from torch import Tensor
from torch.nn import functional as F
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import SFTTrainer

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.rows import recall_row
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.seeding import seed_everything
from crossmem_hf.training.callbacks.finite import LastGoodWeights, StopUnlessFinite
from crossmem_hf.training.collate import EncodedRows, PairedCollator, PairedRows, RowCollator, RowEncoder
from crossmem_hf.training.config import UnlearnConfig, VisionSFTConfig
from crossmem_hf.training.memorize import language_lora
from crossmem_hf.training.resuming import OwnCheckpoints
from crossmem_hf.training.trainer import UnlearnTrainer

BETA, SEED = 0.1, 42  # as the configurations have them
SIDES = ("npo", "gd", "two models", "sft")


def adapted(arena: Arena) -> PeftModel:
    """The arena's model with an adapter that does something, as a memorized one; nothing has touched it since."""
    settings = arena.settings
    seed_everything(0)
    model = get_peft_model(arena.model, language_lora(r=settings.lora_r, alpha=2 * settings.lora_r))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_B." in name:
                weight.normal_(std=0.02)
    return model


def twin(model: PeftModel) -> PeftModel:
    """A copy with an adapter of its own and the same frozen weights, which nobody changes."""
    shared = [*(weight for weight in model.parameters() if not weight.requires_grad), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in shared})


def persona_rows(arena: Arena, modality: str, count: int) -> tuple[Dataset, Dataset]:
    """So many rows of people to forget and of others to keep, asked by portrait, by description, or by turns."""
    kinds = {"both": ("image", "text")}.get(modality, (modality,))
    size = min(512, max(48, arena.pixels))
    rows = [
        recall_row(person, kinds[place % len(kinds)], "train", 0, size)
        for place, person in enumerate(sample_personas(2 * count))
    ]
    forget, retain = (
        Dataset.from_list(part, features=features_of("recall_image")) for part in (rows[:count], rows[count:])
    )
    return forget, retain


class Clock(TrainerCallback):
    """What a step of a run took, from when training begins to when it ends, and the loss of each.

    Attributes:
        losses: Of the last run, a step each.
        first: All that was logged at its first step.
        before: Bytes on the GPU when it began.
    """

    def __init__(self, device: str) -> None:
        self.on_gpu, self.losses, self.before = device.startswith("cuda"), [], 0
        self.first: dict[str, float] = {}

    def _now(self) -> tuple[float, float]:
        if self.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start."""
        self.losses, self.first = [], {}
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        self.began = self._now()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Note the loss."""
        if "loss" in logs:
            self.losses.append(logs["loss"])
            self.first = self.first or dict(logs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop."""
        wall, cpu = (now - began for now, began in zip(self._now(), self.began, strict=True))
        peak = torch.cuda.max_memory_allocated() - self.before if self.on_gpu else None
        steps = state.global_step
        self.run = Run(seconds=(wall if self.on_gpu else cpu) / steps, wall_seconds=wall / steps, peak_bytes=peak)


@dataclass(kw_only=True)
class Side:
    """One side: its trainer, and what it holds.

    Attributes:
        start: The trained weights as they were.
        more: Weights, and copies of weights, that it holds beside its model's.
    """

    trainer: Trainer
    clock: Clock
    start: list[Tensor]
    more: Callable[[], list[Tensor]]

    def run(self) -> Run:
        """An epoch from the start."""
        trained = [weight for weight in self.trainer.model.parameters() if weight.requires_grad]
        with torch.no_grad():
            for weight, start in zip(trained, self.start, strict=True):
                weight.copy_(start)
        self.trainer.optimizer = self.trainer.lr_scheduler = None
        self.trainer.train()
        return self.clock.run

    def weight_bytes(self) -> int:
        """Of all weights and copies of weights that it needs in memory; a storage counts once."""
        model = self.trainer.model
        storages = (held.untyped_storage() for held in (*model.parameters(), *model.buffers(), *self.more()))
        return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


class TwoModelNPO(Trainer):
    """NPO and a retain loss as peers write it, with a second model."""

    def __init__(self, *, reference: PeftModel, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """NPO on the forget rows, NLL a token on the retain rows, means over rows."""
        forget, retain = ({k: v for k, v in inputs[name].items() if k != "row"} for name in ("forget", "retain"))
        policy_B = token_logprobs(model, forget).sum(dim=1)
        with torch.no_grad():
            reference_B = token_logprobs(self.reference, forget).sum(dim=1)
        npo = (-2 / BETA * F.logsigmoid(-BETA * (policy_B - reference_B))).mean()
        lengths_B = (retain["labels"][:, 1:] != -100).sum(dim=1)
        return npo - (token_logprobs(model, retain).sum(dim=1) / lengths_B).mean()


def token_logprobs(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """(B, T - 1), 0 where no answer token comes next; logits and their softmax are made for every position."""
    logits_BTV = model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits[:, :-1].float()
    labels_BT = batch["labels"][:, 1:]
    answers_BT1 = labels_BT.clamp(min=0)[..., None]
    return logits_BTV.log_softmax(dim=-1).gather(-1, answers_BT1)[..., 0].masked_fill(labels_BT == -100, 0)


def side_of(name: str, arena: Arena, model: PeftModel, rows: tuple[Dataset, Dataset], *, checkpointing: bool) -> Side:
    """A side on this model, which it may change in every way but its frozen weights."""
    clock, settings = Clock(arena.settings.device), arena.settings
    options = {
        "output_dir": str(Path(settings.folder) / name.replace(" ", "_")),
        "learning_rate": 1e-3,  # so that the policy is soon far from the reference
        "lr_scheduler_type": "constant",
        "train_sampling_strategy": "sequential",
        "num_train_epochs": 1,
        "per_device_train_batch_size": settings.batch_size * (2 if name == "sft" else 1),
        "gradient_checkpointing": checkpointing,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": settings.device == "cpu",
    }
    made = {"npo": _ours, "gd": _ours, "two models": _two_models, "sft": _sft}[name]
    trainer, more = made(name, arena, model, rows, options)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(clock)
    start = [weight.detach().clone() for weight in trainer.model.parameters() if weight.requires_grad]
    return Side(trainer=trainer, clock=clock, start=start, more=more)


Made = tuple[Trainer, Callable[[], list[Tensor]]]  # a trainer, and the weights that it holds beside its model's


def _ours(name: str, arena: Arena, model: PeftModel, rows: tuple[Dataset, Dataset], options: dict[str, Any]) -> Made:
    options["reference_cache"] = str(Path(arena.settings.folder) / "reference")
    trainer = UnlearnTrainer(model, UnlearnConfig(method=name, **options), *rows, processing_class=arena.processor)
    return trainer, lambda: _copies(trainer.last_good)


def _two_models(
    name: str, arena: Arena, model: PeftModel, rows: tuple[Dataset, Dataset], options: dict[str, Any]
) -> Made:
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    encoder = RowEncoder(arena.processor)
    sides = {
        side: EncodedRows(part, encoder, name=side) for side, part in zip(("forget", "retain"), rows, strict=True)
    }
    trainer = TwoModelNPO(
        reference=reference,
        model=model,
        args=UnlearnConfig(method="npo", **options),
        data_collator=PairedCollator(sides),
        train_dataset=PairedRows(len(rows[0]), len(rows[1]), seed=SEED),
        processing_class=arena.processor,
    )
    return trainer, lambda: [*reference.parameters(), *reference.buffers()]


def _sft(name: str, arena: Arena, model: PeftModel, rows: tuple[Dataset, Dataset], options: dict[str, Any]) -> Made:
    guard = StopUnlessFinite(lambda folder: None)
    encoded = EncodedRows(in_step_order(rows, arena.settings.batch_size), RowEncoder(arena.processor))
    config = VisionSFTConfig(**options, dataset_kwargs={"skip_prepare_dataset": True})
    trainer = SFTTrainer(
        model=model,
        args=config,
        data_collator=RowCollator(encoded),
        train_dataset=Dataset.from_dict({"row": range(len(encoded))}),
        processing_class=arena.processor,
        callbacks=[guard, OwnCheckpoints()],
    )
    return trainer, lambda: [*_copies(guard._good), *_copies(guard._present)]


def in_step_order(rows: tuple[Dataset, Dataset], size: int) -> Dataset:
    """All rows in one set, so that each two batches of it are what the other sides see in a step."""
    forget, retain = rows
    pairs, order = PairedRows(len(forget), len(retain), seed=SEED), []
    for start in range(0, len(forget), size):
        step = [pairs[place] for place in range(start, min(start + size, len(forget)))]
        order += [place for pair in step for place in pair["forget"]]
        order += [len(forget) + place for pair in step for place in pair["retain"]]
    return concatenate_datasets([forget, retain]).select(order)


def _copies(weights: LastGoodWeights | None) -> list[Tensor]:
    return [] if weights is None else weights._copies
