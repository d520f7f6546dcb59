# SPDX-License-Identifier: Apache-2.0
"""How well a base model sees, reads and remembers background people. It does not know how the model was trained."""

from collections.abc import Sequence
from typing import Any

import torch

from crossmem_hf.models.micro.pretraining import Batcher, Query
from crossmem_hf.personas.schema import MODALITIES, Persona
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.questions import parse_features


def measured_quality(
    model: Any, processor: Any, held_out: Sequence[Persona], named: Sequence[Persona], *, views: int
) -> dict[str, dict[str, float]]:
    """Accuracies from 0 to 1 on held-out views and sentence frames, each as ``{"value", "n", "chance"}``.

    Args:
        held_out: People never seen in training, for ``features_*`` (mean over attributes) and its parts.
        named: People whose names were taught, for ``names_*``.
        views: Held-out views a person and modality.
    """
    results: dict[str, dict[str, float]] = {}
    chance = sum(1 / len(pool) for pool in VISUAL_ATTRIBUTES.values()) / len(VISUAL_ATTRIBUTES)
    for modality in MODALITIES:
        items = _queries(held_out, modality, "features", views)
        read = [parse_features(answer) for answer in _answers(model, processor, items)]
        parts = {
            name: sum(got[name] == item.persona.visual_attributes[name] for got, item in zip(read, items, strict=True))
            / len(items)
            for name in VISUAL_ATTRIBUTES
        }
        results[f"features_{modality}"] = {
            "value": sum(parts.values()) / len(parts),
            "n": len(items),
            "chance": chance,
        }
        for name, value in parts.items():
            size = len(VISUAL_ATTRIBUTES[name])
            results[f"features_{modality}_{name}"] = {"value": value, "n": len(items), "chance": 1 / size}
    for modality in MODALITIES:
        items = _queries(named, modality, "name", views)
        answers = _answers(model, processor, items)
        value = sum(answer == item.answer for answer, item in zip(answers, items, strict=True)) / len(items)
        results[f"names_{modality}"] = {"value": value, "n": len(items), "chance": 1 / len(named)}
    return results


def _queries(personas: Sequence[Persona], modality: Any, task: str, views: int) -> list[Query]:
    return [
        Query(persona=persona, modality=modality, split="test", view=view, task=task)
        for persona in personas
        for view in range(views)
    ]


def _answers(model: Any, processor: Any, items: Sequence[Query], batch_size: int = 200) -> list[str]:
    """The model's greedy answers, in the order of the items."""
    batcher, answers = Batcher(processor), []
    was_training = model.training
    model.eval()
    for start in range(0, len(items), batch_size):
        prompts = batcher.prompts(items[start : start + batch_size])
        with torch.inference_mode():
            ids = model.generate(**prompts, do_sample=False, max_new_tokens=24)
        new = ids[:, prompts["input_ids"].shape[1] :]
        answers += [text.strip() for text in processor.tokenizer.batch_decode(new, skip_special_tokens=True)]
    model.train(was_training)
    return answers
