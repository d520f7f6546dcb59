# SPDX-License-Identifier: Apache-2.0
"""In which order are sequences with a rule and without memorized, and what is forgotten on the way? Claims of Panwar
et al., Transformers Seek Patterns (https://openreview.net/forum?id=98NrkXPRZ9), on tiny decoders.

One training holds sequences of all kinds of patterns in equal parts, so that they are compared on the same steps. Ours
are shorter and fewer than theirs, and the models are three; no number here equals theirs.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.dynamics_claims import KINDS, SIZES, dynamics_claims
from crossmem_hf.studies.dynamics_measures import of_sequences, of_training, sequences_measured
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where

_SPLITS: Final = ("train", "test")
_SAME: Final = "train"  # whose sequences are trained on
_SHORTEST: Final = 54  # characters, so that every rule has something to be seen by before the answer


class DynamicsSettings(StudySettings):
    """Settings of `crossmem study memorization_dynamics`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many seeds of sequences and weights, from --seed.", json_schema_extra=SELECTS
    )
    sizes: some_of(SIZES) = Field(  # type: ignore[valid-type]
        SIZES, description=f"Of decoders, comma-separated: {', '.join(SIZES)}.", json_schema_extra=SELECTS
    )
    num_sequences: int = Field(32, ge=2, description="Trained on, of each kind.")
    num_held_out: int = Field(16, ge=1, description="Asked only, of each kind with enough of them.")
    longest: int = Field(64, ge=60, le=300, description=f"Characters of a sequence; the shortest has {_SHORTEST}.")
    answer_chars: int = Field(10, ge=1, le=16, description="At its end, which must all be right.")
    train_steps: int = Field(600, ge=1, description="Optimizer steps.")
    train_batch_size: int = Field(32, ge=1, description="Sequences a step.")
    train_learning_rate: float = Field(1e-3, gt=0, description="Constant, as theirs.")
    look_every: int = Field(5, ge=1, description="Steps between two evaluations.")


def _grid(settings: DynamicsSettings) -> list[Where]:
    return [{"size": size, "seed": seed} for size, seed in product(settings.sizes, settings.all_seeds)]


def _cell(cell: Cell) -> CellResult:
    """Train a decoder on sequences of all kinds, and follow each of them."""
    with TemporaryDirectory() as folder:
        found = _followed(cell, Path(folder))
    rows = [row for split in _SPLITS for row in of_sequences(found[split], split)]
    return CellResult(predictions=Predictions(rows), measurements=tuple(of_training(found[_SAME], dict(cell.where))))


def _followed(cell: Cell, folder: Path) -> dict[str, Any]:
    """Split -> the dynamics of its sequences."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    from crossmem_hf.models.pattern_decoder import encoded_patterns, pattern_decoder, pattern_tokenizer
    from crossmem_hf.seeding import seed_everything
    from crossmem_hf.training.callbacks.dynamics import MemorizationDynamicsCallback
    from crossmem_hf.training.callbacks.progress import ReportProgress

    settings: DynamicsSettings = cell.settings
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
        train_dataset=encoded_patterns(sequences(settings, cell.seed, _SAME)),
        callbacks=[ReportProgress(cell.progress, "training", 0.0, 0.95)],
    )
    followers = {}
    for split in _SPLITS:
        rows = encoded_patterns(sequences(settings, cell.seed, split), learn="answer")
        followers[split] = MemorizationDynamicsCallback(
            trainer, rows, every_steps=settings.look_every, columns=["kind"], name=split
        )
        trainer.add_callback(followers[split])
    trainer.train()
    return {split: one.dynamics() for split, one in followers.items()}


def sequences(settings: DynamicsSettings, seed: int, split: Any) -> Any:
    """Of all kinds, in equal parts; of the held out as many as there are, which of the monotone are few."""
    from datasets import concatenate_datasets

    from crossmem_hf.data.patterns import pattern_rows

    how: dict[str, Any] = {"lengths": (_SHORTEST, settings.longest), "answer_chars": settings.answer_chars}
    lengths = settings.longest - _SHORTEST + 1
    found = []
    for kind in KINDS:
        number = settings.num_sequences if split == _SAME else settings.num_held_out
        most = lengths * (9 if split == _SAME else 1) if kind == "monotone" else number
        found.append(pattern_rows(kind, min(number, most), seed, split=split, **how))
    return concatenate_datasets(found)


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    return sequences_measured(predictions)


STUDY = Study(
    name="memorization_dynamics",
    title="In which order are sequences with a rule and without memorized, and what is forgotten on the way?",
    paper="Panwar et al., Transformers Seek Patterns (https://openreview.net/forum?id=98NrkXPRZ9), on tiny decoders",
    settings=DynamicsSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: (),
    measure=_measure,
    claims=lambda settings: dynamics_claims(settings.sizes),
    headline=(("memorized_by", {"split": _SAME}), ("memorized", {})),
    quick={"seeds": 1, "sizes": SIZES[:1], "train_steps": 300},
    notes=lambda settings, _: (
        f"Every {settings.look_every} steps each sequence is asked for its last {settings.answer_chars} characters; "
        "it is memorized if all are the likeliest. Held-out sequences follow the same rules and were not trained on.",
        "memorized_by is the step by which half of the sequences had been memorized once; "
        f"{settings.train_steps} also where fewer ever were.",
    ),
)
