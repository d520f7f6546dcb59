# SPDX-License-Identifier: Apache-2.0
"""Reference log-probabilities of fixed rows."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossmem_hf.logprobs import answer_scores
from crossmem_hf.training.collate import EncodedRows, merge_batches
from crossmem_hf.training.reference import as_reference


def kept_logprobs(
    model: Any,
    rows: EncodedRows,
    *,
    folder: Path | None,
    batch_size: int,
    fused: bool = False,
    label: str = "reference log-probabilities",
) -> Tensor:
    """(len(rows),) summed log-probabilities of the answers under the reference."""
    pad = rows.encoder.pad_token_id
    with as_reference(model):
        parts = [
            answer_scores(
                model,
                merge_batches([rows[i] for i in range(start, min(start + batch_size, len(rows)))], pad_token_id=pad),
                fused=fused,
            ).sums_B
            for start in range(0, len(rows), batch_size)
        ]
    return torch.cat(parts).cpu()
