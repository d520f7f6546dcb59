# SPDX-License-Identifier: Apache-2.0
"""What tests of the reference cache share: a memorized model that has trained on, its rows, and a count of passes."""

from pathlib import Path

import torch

from crossmem_hf.training import reference_cache
from crossmem_hf.training.collate import EncodedRows, RowEncoder
from crossmem_hf.training.reference import add_reference
from crossmem_hf.training.reference_cache import kept_logprobs
from tests.training import tiny


def encoded(dataset=None, processor=None, name="forget"):
    dataset = tiny.rows("p0", "p1", "p2", modality="mixed", views=3) if dataset is None else dataset
    return EncodedRows(dataset, RowEncoder(processor or tiny.processor()), name=name)


def referenced(seed=0):
    """A memorized model that has trained on since."""
    model = tiny.memorized(seed)
    add_reference(model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3)
    return model


def kept(folder, model=None, rows=None, batch_size=2, **choices):
    return kept_logprobs(model or referenced(), rows or encoded(), folder=folder, batch_size=batch_size, **choices)


class Forwards:
    """Counts the rows that go through any model."""

    def __init__(self, monkeypatch):
        self.rows, original = 0, reference_cache.answer_scores

        def counted(model, batch, **named):
            self.rows += len(batch["labels"])
            return original(model, batch, **named)

        monkeypatch.setattr(reference_cache, "answer_scores", counted)

    def during(self, action):
        before = self.rows
        return action(), self.rows - before


def files(folder):
    return sorted(Path(folder).rglob("*.jsonl"))
