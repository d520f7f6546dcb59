# SPDX-License-Identifier: Apache-2.0
"""Queries as model inputs, exactly as processor and chat template would make them, without their overhead."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LlavaProcessor

from crossmem_hf.models.micro.tasks import Query
from crossmem_hf.personas.schema import ViewSplit
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for


class Batcher:
    """Makes batches for one processor; all queries of a batch present their personas in the same way."""

    def __init__(self, processor: LlavaProcessor) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        images = processor.image_processor
        self.size: int = images.size["height"]
        self._mean = np.array(images.image_mean, dtype=np.float32)
        self._std = np.array(images.image_std, dtype=np.float32)
        self._drawn: dict[tuple[str, ViewSplit, int], np.ndarray] = {}

    def pixels(self, queries: Sequence[Query]) -> Tensor:
        """(B, 3, H, W) normalized portraits; each is drawn once and kept, at 12 kB."""
        scaled = (
            np.stack([self._picture(query) for query in queries]).astype(np.float32) / 255 - self._mean
        ) / self._std
        return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())

    def _picture(self, query: Query) -> np.ndarray:
        key = query.persona.id, query.split, query.view
        if key not in self._drawn:
            view = view_for(query.persona, query.split, query.view)
            self._drawn[key] = np.asarray(render_portrait(query.persona, view, self.size))
        return self._drawn[key]

    def __call__(self, queries: Sequence[Query]) -> dict[str, Tensor]:
        """Right-padded inputs with labels on the answers."""
        prompt_ids = self._ids([self._prompt(query) for query in queries])
        answer_ids = self._ids([f"{query.answer}<eos>" for query in queries])
        length = max(len(p) + len(a) for p, a in zip(prompt_ids, answer_ids, strict=True))
        ids = torch.full((len(queries), length), self.tokenizer.pad_token_id)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for row, (prompt, answer) in enumerate(zip(prompt_ids, answer_ids, strict=True)):
            stop = len(prompt) + len(answer)
            ids[row, :stop] = torch.tensor(prompt + answer)
            labels[row, len(prompt) : stop] = ids[row, len(prompt) : stop]
            mask[row, :stop] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels} | self._pictures(queries)

    def by_length(self, queries: Sequence[Query], parts: int) -> list[list[int]]:
        """The places of the queries in `parts` groups of like length, so that little is padded."""
        lengths = [len(query.words) + len(query.answer) for query in queries]
        places = sorted(range(len(queries)), key=lengths.__getitem__)
        size = -(-len(places) // parts)
        return [places[start : start + size] for start in range(0, len(places), size)]

    def prompts(self, queries: Sequence[Query]) -> dict[str, Tensor]:
        """Left-padded prompts to generate from."""
        inputs = self.tokenizer(
            [self._prompt(query) for query in queries],
            add_special_tokens=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            return_token_type_ids=False,
        )
        return dict(inputs) | self._pictures(queries)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def _pictures(self, queries: Sequence[Query]) -> dict[str, Tensor]:
        return {"pixel_values": self.pixels(queries)} if queries[0].modality == "image" else {}

    def _prompt(self, query: Query) -> str:
        pictures = "<image>" * ((self.size // self.processor.patch_size) ** 2) if query.modality == "image" else ""
        return f"<|user|>{pictures}{query.words}<|assistant|>"
