# SPDX-License-Identifier: Apache-2.0
"""Which sequences a model has memorized, every so many steps of its training: logged, and as one Parquet file. It does
not know what the sequences are, or what follows from when they were memorized (`analysis.dynamics`)."""

import base64
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from numpy.typing import NDArray
from pyarrow import parquet
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.analysis.dynamics import OWN_COLUMNS, Dynamics
from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import answer_mask
from crossmem_hf.models.modes import in_eval_mode, random_state_kept
from crossmem_hf.runs.distributed import joined_state, together
from crossmem_hf.seeding import rng_for
from crossmem_hf.storage import fingerprint, write_atomic
from crossmem_hf.training.callbacks.recognized import RecognizedRows, token_keys
from crossmem_hf.training.callbacks.state import check_name, remember, remembered
from crossmem_hf.training.checks import check_whole

logger = logging.getLogger(__name__)


class MemorizationDynamicsCallback(TrainerCallback):
    """Follows each sequence of a training: memorized or not, when first, when forgotten, when again.

    When training begins, every `every_steps`, and after the last step it asks of each sequence whether the model says
    all tokens that have a label, each given the right ones before (exact match: what greedy decoding would say from
    the same prompt, ties and rounding aside). It logs ``dynamics/memorized`` and the shares
    ``dynamics/newly_memorized`` and ``dynamics/forgotten`` since the evaluation before, all 0 to 1, through whatever
    ``report_to`` names, and writes all it knows as a Parquet file with the columns of
    `analysis.dynamics.Dynamics.as_table`, whole after each evaluation.

    It costs one forward pass over at most `max_sequences` rows an evaluation, in batches of
    ``per_device_eval_batch_size`` that processes share, and nothing else but a hash of each batch's tokens: S steps
    take S / `every_steps` + 1 such passes, or one more. Rows are collated anew for each, and once more when training
    begins. Checkpoints hold some bits for each sequence and evaluation.

    The model, its modes and all random numbers are afterwards as they were. A run that goes on from a checkpoint goes
    on with what that had measured, and leaves the file of an uninterrupted one.

    Args:
        trainer: Any trainer of `transformers` whose model takes `input_ids` and gives `logits`; this is added to it.
        rows: What the trainer's collator takes, with a length; labels of -100 say what is not asked. None takes the
            trainer's own rows. `UnlearnTrainer` needs rows, as its own are pairs.
        every_steps: Optimizer steps between two evaluations, at least 1. The paper takes 100, and 1 for recency.
        max_sequences: Of more rows a fixed, seeded sample is taken. None takes all.
        columns: Columns of the rows that go into the file, such as ``["kind"]``.
        name: Tells several of these on one trainer apart, in logs (``dynamics_NAME/memorized``) and files.
        seed: Of the sample.
        path: Of the Parquet file; None: ``dynamics.parquet`` or ``dynamics_NAME.parquet`` in the trainer's
            ``output_dir``.

    Attributes:
        places: Numbers of the sequences among the rows.
        path: Of the Parquet file.

    Raises:
        CrossmemError: A number out of range, rows without length, columns that are not there; when training begins,
            two callbacks of one name, weights in shards (FSDP, DeepSpeed ZeRO-3), batches without labels, a row
            without a labeled token, or a checkpoint of other sequences; when the file cannot be written.

    Reference:
        Panwar et al., Transformers Seek Patterns, https://openreview.net/forum?id=98NrkXPRZ9,
        who complete by greedy decoding.

    Example:
        ``trainer.add_callback(MemorizationDynamicsCallback(trainer, every_steps=100, columns=["kind"]))``
    """

    def __init__(
        self,
        trainer: Trainer,
        rows: Any = None,
        *,
        every_steps: int = 100,
        max_sequences: int | None = 1000,
        columns: Sequence[str] = (),
        name: str = "",
        seed: int = 0,
        path: str | Path | None = None,
    ) -> None:
        for what, value in (("every_steps", every_steps), ("max_sequences", max_sequences)):
            wrong = isinstance(value, bool) or not isinstance(value, int) or value < 1
            if wrong and not (what == "max_sequences" and value is None):
                raise CrossmemError(f"{what}={value!r}; expected at least 1.", "Pass a positive whole number.")
        self.trainer: Any = trainer
        self.rows = _counted(trainer.train_dataset if rows is None else rows)
        self.every_steps, self.name = every_steps, name
        self.places = _sample(len(self.rows), max_sequences, seed)
        self.columns = self._columns(columns)
        self._suffix = f"_{name}" if name else ""
        default = Path(str(trainer.args.output_dir)) / f"dynamics{self._suffix}.parquet"
        self.path = default if path is None else Path(path)
        self._history: list[dict[str, Any]] = []
        self._recognized: RecognizedRows | None = None

    def _columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        there = getattr(self.rows, "column_names", None) or []
        wrong = [name for name in names if name not in there or name in OWN_COLUMNS]
        if wrong:
            raise CrossmemError(
                f"Columns {wrong!r} are not among those of the rows, {list(there)!r}, or are the file's own.",
                "Name columns of the rows, or rename them.",
            )
        return {name: self.rows.select_columns([name])[self.places][name] for name in names}

    def dynamics(self) -> Dynamics:
        """What was measured so far."""
        number = len(self.places)
        unknown = np.full(number, np.nan)
        in_batch = [unknown if one["known"] is None else _marked(one, number) for one in self._history]
        return Dynamics(
            np.asarray(self.places, dtype=np.int64),
            np.asarray([one["step"] for one in self._history], dtype=np.int64),
            np.asarray([_bits(one["exact"], number) for one in self._history], dtype=bool).reshape(-1, number),
            np.asarray(in_batch, dtype=np.float64).reshape(-1, number),
            self.columns,
        )

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Take up what a run that is gone on with has measured; a new one is evaluated before its first step."""
        check_name(self.trainer, self)
        check_whole(self.trainer)
        # Only read for its collator and its rows, without the columns that the model does not take.
        self._loader = self.trainer.get_test_dataloader(self.rows)
        with random_state_kept():
            keys = self._shared([token_keys(batch) for _, batch in self._batches()])
        kept, self._of_rows = remembered(state, self), fingerprint([self.places, keys])
        if kept and kept["rows"] != self._of_rows:
            raise CrossmemError(
                f"The checkpoint of step {state.global_step} has followed other sequences.",
                "Pass the rows, max_sequences and seed that the run began with, or another name.",
            )
        if self._recognized is not None:  # of a training that ended in an error
            self._recognized.leave()
        self._history = list(kept.get("history", []))
        self._recognized = RecognizedRows(keys, kept.get("seen", ()), kept.get("recognized", False))
        self._recognized.watch(self.trainer.model)
        logger.info(
            "Dynamics: %d of %d sequences in %d batches, every %d steps.",
            *(len(self.places), len(self.rows), -(-len(self.places) // self._batch_size), self.every_steps),
        )
        if self._history:
            self._write()
            return control
        return self._evaluate_once(state, control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Evaluate, if it is time or the last step."""
        last = control.should_training_stop or state.global_step >= state.max_steps
        if last or state.global_step % self.every_steps == 0:
            return self._evaluate_once(state, control)
        return self._before_saving(state, control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Let a checkpoint that may be saved now know what was trained on since the last evaluation."""
        return self._before_saving(state, control)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Evaluate what training ended with, if something else ended it."""
        control = self._evaluate_once(state, control)
        assert self._recognized is not None, "training has begun"
        self._recognized.leave()
        return control

    def _before_saving(self, state: TrainerState, control: TrainerControl) -> TrainerControl:
        if control.should_save or joined_state().num_processes == 1:  # of several, asking costs a message
            self._remember(state)
        return control

    def _evaluate_once(self, state: TrainerState, control: TrainerControl) -> TrainerControl:
        """Evaluate, unless these weights have been evaluated."""
        if self._history and self._history[-1]["step"] == state.global_step:
            return control
        assert self._recognized is not None, "training has begun"
        model, should_log = self.trainer.model, control.should_log
        with in_eval_mode(model), random_state_kept():
            exact = np.asarray(self._shared(self._exact_matches()), dtype=bool)
            in_batch = self._recognized.taken()
            known = None if np.isnan(in_batch).all() else _text(~np.isnan(in_batch))
            self._history.append(
                {"step": state.global_step, "exact": _text(exact), "seen": _text(in_batch == 1.0), "known": known}
            )
            # Inside, since trl's trainers add what they have gathered in training to a log made in that mode.
            self.trainer.log(self._numbers(exact))
            control.should_log = should_log  # logging takes the wish as fulfilled; it was for the loss
        self._remember(state)
        self._write()
        return control

    def _numbers(self, exact: NDArray[np.bool_]) -> dict[str, float]:
        """What is logged: shares of the sequences."""
        numbers = {"memorized": float(exact.mean())}
        if len(self._history) > 1:
            before = _bits(self._history[-2]["exact"], len(exact))
            numbers |= {"newly_memorized": float((exact & ~before).mean())}
            numbers |= {"forgotten": float((before & ~exact).mean())}
        return {f"dynamics{self._suffix}/{name}": value for name, value in numbers.items()}

    def _remember(self, state: TrainerState) -> None:
        assert self._recognized is not None, "training has begun"
        seen, recognized = self._recognized.so_far()
        kept = {"history": list(self._history), "seen": seen, "recognized": recognized, "rows": self._of_rows}
        remember(state, self, kept)

    def _write(self) -> None:
        """Put the whole file in the place of the earlier one; every process must call."""

        def write() -> None:
            if self.trainer.is_world_process_zero():
                held = io.BytesIO()
                parquet.write_table(self.dynamics().as_table(), held)
                write_atomic(self.path, held.getvalue())

        together(write)

    @property
    def _batch_size(self) -> int:
        return int(self.trainer.args.per_device_eval_batch_size)

    def _batches(self) -> Iterator[tuple[list[int], Any]]:
        """Places of rows and the batch of them, this process's share; the batches depend on no number of processes."""
        state = joined_state()
        starts = range(0, len(self.places), self._batch_size)
        for start in list(starts)[state.process_index :: state.num_processes]:
            places = self.places[start : start + self._batch_size]
            batch = self._loader.collate_fn([self._loader.dataset[place] for place in places])
            if not {"input_ids", "labels"} <= set(batch):
                raise CrossmemError(
                    f"A batch of the rows has {sorted(batch)!r}; expected input_ids and labels.",
                    "Pass rows= that the trainer's collator gives labels.",
                )
            yield places, batch

    def _exact_matches(self) -> list[list[bool]]:
        found = []
        for places, batch in self._batches():
            inputs = dict(send_to_device(dict(batch), self.trainer.args.device))
            labels_BT = inputs.pop("labels")
            try:
                mask_BT = answer_mask(labels_BT)
            except CrossmemError as error:
                raise CrossmemError(f"{error.fault} They are of the rows {places!r}.", error.remedy) from error
            with torch.no_grad():
                found.append(_said(self.trainer.model(**inputs).logits, labels_BT, mask_BT).tolist())
        return found

    def _shared(self, mine: list[list[Any]]) -> list[Any]:
        """What processes have found for their batches, a value a sequence, in the order of the sequences."""
        parts = together(lambda: mine)
        rounds = range(max(map(len, parts)))
        return [value for number in rounds for part in parts if number < len(part) for value in part[number]]


def _counted(rows: Any) -> Any:
    if not hasattr(rows, "__len__") or not len(rows):
        raise CrossmemError("The rows have no length, or it is 0.", "Pass rows that can be counted.")
    return rows


def _sample(num_rows: int, max_sequences: int | None, seed: int) -> list[int]:
    """Places of the rows that are followed, ascending."""
    if max_sequences is None or num_rows <= max_sequences:
        return list(range(num_rows))
    draw = rng_for(seed, "dynamics")
    return sorted(sorted(range(num_rows), key=lambda _: draw.random())[:max_sequences])


def _said(logits_BTV: Tensor, labels_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """(B,) whether the likeliest token is the labeled one everywhere; what is NaN is nothing said."""
    if logits_BTV.shape[:2] != labels_BT.shape:
        raise CrossmemError(
            f"Logits for {tuple(logits_BTV.shape[:2])} positions came with labels for {tuple(labels_BT.shape)}.",
            "Pass rows whose labels are as long as their tokens.",
        )
    highest_BT, tokens_BT = logits_BTV[:, :-1].max(dim=-1)
    right_BT = (tokens_BT == labels_BT[:, 1:]) & ~highest_BT.isnan()
    return (right_BT | ~mask_BT).all(dim=1)


def _text(bits_N: NDArray[np.bool_]) -> str:
    """Bits as JSON can hold them, six a character."""
    return base64.b64encode(np.packbits(bits_N).tobytes()).decode()


def _bits(text: str, number: int) -> NDArray[np.bool_]:
    packed = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return np.unpackbits(packed, count=number).astype(bool)


def _marked(one: dict[str, Any], number: int) -> NDArray[np.float64]:
    """1, 0 or NaN a sequence, as `RecognizedRows.taken` has it."""
    return np.where(_bits(one["known"], number), _bits(one["seen"], number).astype(float), np.nan)
