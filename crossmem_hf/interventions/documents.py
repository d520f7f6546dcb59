# SPDX-License-Identifier: Apache-2.0
"""Documents of text and pictures, and how near a query is to each. It does not know who may read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.auxiliary import WithoutAdapter
from crossmem_hf.metrics.representation_geometry.geometry_math import FloatArray
from crossmem_hf.models.modes import evaluating
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import check_rows, encode


@dataclass(frozen=True, slots=True)
class Document:
    """What an adapter was trained on, or what a user asks; it is never printed.

    Attributes:
        text: May be empty where there are pictures.
        images: As `crossmem_hf.pictures.reading.as_seen` takes them.
    """

    text: str = ""
    images: Sequence[Any] = ()

    def __repr__(self) -> str:
        return f"Document({len(self.text)} characters, {len(self.images)} images)"


Embed = Callable[[Sequence[Document]], Any]
"""From N documents to their (N, D) embeddings, an array or a tensor. Only directions count."""


class BaseStates:
    """Embeds documents by the base model itself: the mean of its last hidden states over their tokens.

    Each is read alone, as a turn of the user in the chat template, and by the base without any adapter. It needs no
    second model and sees what the base sees. A sentence embedder, or for questions about pictures one that knows both
    (CLIP), tells more documents apart.

    Args:
        model: A `peft.PeftModel`.
        processor: Of the model; needs a chat template.

    Example:
        >>> from crossmem_hf import load_model
        >>> from crossmem_hf.training.memorize import default_lora
        >>> from peft import get_peft_model
        >>> model, processor = load_model()
        >>> embed = BaseStates(get_peft_model(model, default_lora(model)), processor)
        >>> embed([Document("Sales rose."), Document("The board met.")]).shape
        (2, 128)
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model, processor

    def __call__(self, documents: Sequence[Document]) -> FloatArray:
        """(N, D) means, float64.

        Raises:
            CrossmemError: A document cannot be shown: no chat template, or pictures for a model without image tower.
        """
        return np.stack([self._mean(document) for document in documents])

    def _mean(self, document: Document) -> FloatArray:
        turn = {"prompt": [{"role": "user", "content": document.text}], "images": list(document.images)}
        (row,) = check_rows([turn], self._model, self._processor)
        inputs = encode(self._processor, [prompt_text(self._processor, row)], [row["images"]])
        inputs = {name: value.to(self._model.device) for name, value in inputs.items() if torch.is_tensor(value)}
        with evaluating(self._model):
            out = WithoutAdapter(self._model)(**inputs, output_hidden_states=True, use_cache=False, logits_to_keep=1)
        mean: FloatArray = out.hidden_states[-1][0].double().mean(0).cpu().numpy()
        return mean


class DocumentIndex:
    """Documents as normalized embeddings, and their inner products with a query: cosines, higher is nearer.

    Example:
        >>> index = DocumentIndex(lambda documents: [[float(len(one.text)), 1.0] for one in documents])
        >>> index.add([Document("aa"), Document("aaaa")])
        >>> len(index), index.cosines(index.embedded([Document("aa")])[0])
        (2, array([1.        , 0.97618706]))
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._embedded_ND: FloatArray | None = None

    def __len__(self) -> int:
        return 0 if self._embedded_ND is None else len(self._embedded_ND)

    def add(self, documents: Sequence[Document]) -> None:
        """Hold some more documents; of each only its embedding is kept.

        Raises:
            CrossmemError: As `embedded`; or embeddings of another width than those that are there.
        """
        new_ND = self.embedded(documents)
        if self._embedded_ND is None:
            self._embedded_ND = new_ND
            return
        self._check_width(new_ND.shape[1])
        self._embedded_ND = np.concatenate([self._embedded_ND, new_ND])

    def embedded(self, documents: Sequence[Document]) -> FloatArray:
        """(N, D) embeddings of length 1, float64.

        Raises:
            CrossmemError: What `embed` gives is not one direction a document.
        """
        if not documents or not all(isinstance(one, Document) for one in documents):
            raise CrossmemError(
                f"Got {[type(one).__name__ for one in documents]!r}; expected documents, at least one.",
                "Pass a list of Document(text, images).",
            )
        found = self._embed(documents)
        found_ND = np.asarray(found.detach().double().cpu() if torch.is_tensor(found) else found, dtype=np.float64)
        if found_ND.ndim != 2 or len(found_ND) != len(documents):
            raise CrossmemError(
                f"The embeddings of {len(documents)} documents have the shape {found_ND.shape}; expected "
                f"({len(documents)}, width).",
                "Let embed give one vector a document.",
            )
        lengths_N1 = np.linalg.norm(found_ND, axis=1, keepdims=True)
        wrong = np.flatnonzero(~(np.isfinite(lengths_N1) & (lengths_N1 > 0)))
        if len(wrong):
            raise CrossmemError(
                f"The embedding of document {wrong[0]} has length {lengths_N1[wrong[0], 0]}; expected a direction.",
                "Leave empty documents out, and load the embedder in bfloat16 or float32.",
            )
        return np.ascontiguousarray(found_ND / lengths_N1)

    def cosines(self, query_D: FloatArray) -> FloatArray:
        """(N,) with each document in the order they came, -1 to 1; each is the same to the bit whatever the others.

        Raises:
            CrossmemError: A query of another width.
        """
        if self._embedded_ND is None:
            return np.zeros(0)
        self._check_width(len(query_D))
        # Row by row: a matrix product may round by a row's place among the others.
        found: FloatArray = (self._embedded_ND * query_D).sum(axis=1)
        return found

    def _check_width(self, width: int) -> None:
        if self._embedded_ND is not None and width != self._embedded_ND.shape[1]:
            raise CrossmemError(
                f"Embeddings of width {width} among those of width {self._embedded_ND.shape[1]}.",
                "Embed all documents and queries by one model.",
            )
