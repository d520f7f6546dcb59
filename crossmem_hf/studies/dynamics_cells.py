# SPDX-License-Identifier: Apache-2.0
"""What cells of the study memorization_dynamics do: train a decoder on sequences of all kinds of patterns, or a
vision-language model on people, and follow each sequence. They claim nothing."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from crossmem_hf.analysis.dynamics import Dynamics
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.dynamics_claims import KINDS, PERSONAS_PART
from crossmem_hf.studies.dynamics_measures import of_sequences, of_training
from crossmem_hf.studies.study import Cell, CellResult

SPLITS: Final = ("train", "test")
SAME: Final = "train"  # whose sequences are trained on
SHORTEST: Final = 54  # characters, so that every rule has something to be seen by before the answer


def dynamics_cell(cell: Cell) -> CellResult:
    """What the cell's part says."""
    with TemporaryDirectory() as folder:
        if cell.where["part"] == PERSONAS_PART:
            found = {SAME: _people_followed(cell, Path(folder))}
        else:
            found = _followed(cell, Path(folder))
    rows = [row for split, one in found.items() for row in of_sequences(one, split)]
    return CellResult(predictions=Predictions(rows), measurements=tuple(of_training(found[SAME], dict(cell.where))))


def _people_followed(cell: Cell, folder: Path) -> Dynamics:
    """Names and facts of the same people in both modalities, in one training."""
    from datasets import Dataset

    from crossmem_hf.studies.adapters import QUIET, TrainingRows, loaded
    from crossmem_hf.training.callbacks.dynamics import MemorizationDynamicsCallback
    from crossmem_hf.training.callbacks.progress import ReportProgress
    from crossmem_hf.training.memorize import language_lora, memorize
    from crossmem_hf.training.micro import FACT_LORA, MEMORIZING_FACTS

    settings = cell.settings
    facts = TrainingRows(configs=("qa",), split="forget+retain")
    names = TrainingRows(configs=("recall_image", "recall_text"), split="train", besides=facts)
    rows = names.of(settings.spec(cell.seed))
    about = {name: rows[name] for name in ("attribute", "modality", "hops")}
    numbers = Dataset.from_dict({"row": range(len(rows)), **about})
    followers: list[MemorizationDynamicsCallback] = []

    def follow(trainer: Any) -> MemorizationDynamicsCallback:
        follower = MemorizationDynamicsCallback(
            trainer, numbers, every_steps=settings.look_at_people_every, max_sequences=None, columns=[*about]
        )
        followers.append(follower)
        return follower

    chosen = MEMORIZING_FACTS | {"max_steps": settings.people_steps, "per_device_eval_batch_size": 64}
    memorize(
        *loaded(cell, None),
        rows,
        output_dir=folder,
        lora=language_lora(**FACT_LORA),
        callbacks=[ReportProgress(cell.progress, "memorizing", 0.0, 0.95), follow],
        **(chosen | {"seed": cell.seed} | QUIET),
    )
    return followers[0].dynamics()


def _followed(cell: Cell, folder: Path) -> dict[str, Any]:
    """Split -> the dynamics of its sequences."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    from crossmem_hf.models.pattern_decoder import encoded_patterns, pattern_decoder, pattern_tokenizer
    from crossmem_hf.seeding import seed_everything
    from crossmem_hf.training.callbacks.dynamics import MemorizationDynamicsCallback
    from crossmem_hf.training.callbacks.progress import ReportProgress

    settings: Any = cell.settings
    seed_everything(cell.seed)
    size: Any = cell.where["size"]
    trainer = Trainer(
        pattern_decoder(size),
        TrainingArguments(
            str(folder),
            max_steps=settings.train_steps,
            per_device_train_batch_size=settings.train_batch_size,
            per_device_eval_batch_size=settings.train_batch_size,
            learning_rate=settings.train_learning_rate,
            lr_scheduler_type="constant",
            seed=cell.seed,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
        data_collator=DataCollatorForSeq2Seq(pattern_tokenizer()),
        train_dataset=encoded_patterns(sequences(settings, cell.seed, SAME)),
        callbacks=[ReportProgress(cell.progress, "training", 0.0, 0.95)],
    )
    followers = {}
    for split in SPLITS:
        rows = encoded_patterns(sequences(settings, cell.seed, split), learn="answer")
        followers[split] = MemorizationDynamicsCallback(
            trainer, rows, every_steps=settings.look_every, columns=["kind"], name=split
        )
        trainer.add_callback(followers[split])
    trainer.train()
    return {split: one.dynamics() for split, one in followers.items()}


def sequences(settings: Any, seed: int, split: Any) -> Any:
    """Of all kinds, in equal parts; of the held out as many as there are, which of the monotone are few."""
    from datasets import concatenate_datasets

    from crossmem_hf.data.patterns import pattern_rows

    how: dict[str, Any] = {"lengths": (SHORTEST, settings.longest), "answer_chars": settings.answer_chars}
    lengths = settings.longest - SHORTEST + 1
    found = []
    for kind in KINDS:
        number = settings.num_sequences if split == SAME else settings.num_held_out
        most = lengths * (9 if split == SAME else 1) if kind == "monotone" else number
        found.append(pattern_rows(kind, min(number, most), seed, split=split, **how))
    return concatenate_datasets(found)
