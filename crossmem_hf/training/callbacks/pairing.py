# SPDX-License-Identifier: Apache-2.0
"""Telling the pairing of rows which epoch it is. The pairing itself is `collate.PairedRows`."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.training.collate import PairedRows


class NextRetainRows(TrainerCallback):
    """Lets each epoch go on in the retain set where the last one stopped."""

    def __init__(self, pairs: PairedRows) -> None:
        self.pairs = pairs

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Tell the pairing which epoch begins."""
        self.pairs.epoch = int(state.epoch or 0)
