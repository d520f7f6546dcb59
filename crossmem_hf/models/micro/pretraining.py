# SPDX-License-Identifier: Apache-2.0
"""How the embedded VLM learns to see and read, on background people only. It never meets a target persona.

Two stages. `train_vision`: the tower names visual attributes. `train_language`: everything, on four tasks at once
(features and names, each from portraits and from descriptions), plus two terms on the state before the answer: a
contrastive one that brings the modalities together for the same person, and one that reads all attributes off it with
the same heads for both. These two are a dial of the cross-modal gap.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from crossmem_hf.models.micro.model import name_pieces
from crossmem_hf.personas.schema import Modality, Persona, ViewSplit
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.questions import FEATURE_QUESTIONS, NAME_QUESTIONS, REFUSALS, features_answer
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for

Report = Callable[[int, dict[str, float]], None]
_VIEWS = 100_000  # a fresh view almost every time


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One training or test item: a person, the modality shown, the split of views, which view, and what is asked."""

    persona: Persona
    modality: Modality
    split: ViewSplit
    view: int
    task: str  # "features" or "name"

    @property
    def answer(self) -> str:
        """The completion that is right."""
        return self.persona.full_name if self.task == "name" else features_answer(self.persona.visual_attributes)


def tokenizer_corpus(background: Sequence[Persona]) -> Iterator[str]:
    """Text the tokenizer learns from: background descriptions of every frame, questions, refusals, name syllables."""
    for persona in background:
        yield features_answer(persona.visual_attributes)
        for split in ("train", "validation", "test"):
            yield from (describe(persona, split, index).text for index in range(3))
    for piece in (*NAME_QUESTIONS.values(), *FEATURE_QUESTIONS.values(), *REFUSALS):
        yield from [piece.replace("{description}", "")] * 100
    for piece in name_pieces():
        yield from [piece] * 1000


class Batcher:
    """Turns items into model inputs exactly as the processor and the chat template would, without their overhead."""

    def __init__(self, processor: LlavaProcessor) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        images = processor.image_processor
        self.size: int = images.size["height"]
        self._mean = np.array(images.image_mean, dtype=np.float32)
        self._std = np.array(images.image_std, dtype=np.float32)

    def pixels(self, items: Sequence[Query]) -> Tensor:
        """(B, 3, H, W) normalized portraits."""
        pictures = [
            np.asarray(render_portrait(item.persona, view_for(item.persona, item.split, item.view), self.size))
            for item in items
        ]
        scaled = (np.stack(pictures).astype(np.float32) / 255 - self._mean) / self._std
        return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())

    def __call__(self, items: Sequence[Query]) -> dict[str, Tensor]:
        """Right-padded inputs with labels on the answers; all items of one modality."""
        modality = items[0].modality
        prompts = [self._prompt(item) for item in items]
        prompt_ids = self.tokenizer(prompts, add_special_tokens=False)["input_ids"]
        answer_ids = self.tokenizer([f"{item.answer}<eos>" for item in items], add_special_tokens=False)["input_ids"]
        length = max(len(p) + len(a) for p, a in zip(prompt_ids, answer_ids, strict=True))
        ids = torch.full((len(items), length), self.tokenizer.pad_token_id)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for row, (prompt, answer) in enumerate(zip(prompt_ids, answer_ids, strict=True)):
            stop = len(prompt) + len(answer)
            ids[row, :stop] = torch.tensor(prompt + answer)
            labels[row, len(prompt) : stop] = ids[row, len(prompt) : stop]
            mask[row, :stop] = 1
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        return batch | ({"pixel_values": self.pixels(items)} if modality == "image" else {})

    def prompts(self, items: Sequence[Query]) -> dict[str, Tensor]:
        """Left-padded prompts to generate from; all items of one modality."""
        texts = [self._prompt(item) for item in items]
        inputs = self.tokenizer(
            texts,
            add_special_tokens=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            return_token_type_ids=False,
        )
        return dict(inputs) | ({"pixel_values": self.pixels(items)} if items[0].modality == "image" else {})

    def _prompt(self, item: Query) -> str:
        questions = NAME_QUESTIONS if item.task == "name" else FEATURE_QUESTIONS
        if item.modality == "text":
            described = describe(item.persona, item.split, item.view).text
            return f"<|user|>{questions['text'].format(description=described)}<|assistant|>"
        pictures = "<image>" * ((self.size // self.processor.patch_size) ** 2)
        return f"<|user|>{pictures}{questions['image']}<|assistant|>"


class AttributeHeads(nn.Module):
    """One linear classifier a visual attribute on mean features; a teacher, never part of the model."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(pool)) for name, pool in VISUAL_ATTRIBUTES.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """(B, P, D) features -> logits per attribute."""
        pooled = self.norm(features.mean(1))
        return {name: head(pooled) for name, head in self.heads.items()}


def _head_loss(heads: AttributeHeads, features: Tensor, items: Sequence[Query]) -> Tensor:
    """Mean cross-entropy over the attributes of the people shown or described."""
    logits = heads(features)
    losses = []
    for name, pool in VISUAL_ATTRIBUTES.items():
        right = torch.tensor([pool.index(item.persona.visual_attributes[name]) for item in items])
        losses.append(nn.functional.cross_entropy(logits[name], right))
    return torch.stack(losses).mean()


def optimizer_for(modules: Sequence[nn.Module], lr: float) -> torch.optim.AdamW:
    """AdamW as both stages use it."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.02, betas=(0.9, 0.98))


def _rate(step: int, steps: int, warmup: int = 60) -> float:
    return min(1.0, (step + 1) / warmup) * (0.03 + 0.97 * 0.5 * (1 + cos(pi * step / steps)))


def _step(loss: Tensor, optimizer: torch.optim.Optimizer, lr: float) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    nn.utils.clip_grad_norm_(parameters, 1.0)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()


def train_vision(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    personas: Sequence[Persona],
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 2e-3,
    heads: AttributeHeads,
    rng: Random,
    report: Report,
) -> None:
    """Train the tower, and `heads` on its patches, to name visual attributes."""
    batcher, tower = Batcher(processor), model.model.vision_tower
    optimizer = optimizer_for([tower, heads], lr)
    for step in range(steps):
        items = [_drawn(rng, personas, "image", "features") for _ in range(batch_size)]
        loss = _head_loss(heads, tower(batcher.pixels(items)).last_hidden_state[:, 1:], items)
        _step(loss, optimizer, lr * _rate(step, steps))
        report(step, {"loss": loss.item()})


def _drawn(rng: Random, personas: Sequence[Persona], modality: Modality, task: str) -> Query:
    return Query(persona=rng.choice(personas), modality=modality, split="train", view=rng.randrange(_VIEWS), task=task)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePlan:
    """What the language stage does.

    Attributes:
        steps: Optimiser steps.
        image_rows: Portraits a step.
        text_rows: Descriptions a step, of the people of the first portraits; at most `image_rows`.
        lr: Peak learning rate; cosine to 3 %.
        name_share: Share of rows that ask for a name, reached at `names_full` of the steps, from 0 at `names_from`.
        contrast: Weight of the contrastive term between portraits and descriptions.
        temperature: Of the contrastive softmax.
        attributes: Weight of reading every attribute off the answer state, with the same heads for both modalities.
    """

    steps: int = 5000
    image_rows: int = 40
    text_rows: int = 24
    lr: float = 2e-3
    name_share: float = 0.5
    names_from: float = 0.2
    names_full: float = 0.4
    contrast: float = 0.3
    temperature: float = 0.1
    attributes: float = 0.3


def train_language(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    personas: Sequence[Persona],
    named: Sequence[Persona],
    plan: LanguagePlan,
    *,
    rng: Random,
    report: Report,
    steps: range,
    heads: AttributeHeads,
    optimizer: torch.optim.AdamW,
) -> None:
    """Train everything on features and names from both modalities, for the given steps of the plan.

    Args:
        personas: Whose features are asked.
        named: Whose names are taught.
        steps: A part of ``range(plan.steps)``, so that a run can be cut and resumed.
        heads: Read attributes off answer states; part of `optimizer`, thrown away afterwards.
    """
    batcher = Batcher(processor)
    model.train()
    for step in steps:
        share = plan.name_share * _ramp(step / plan.steps, plan.names_from, plan.names_full)
        queried = [
            (rng.choice(named), "name") if rng.random() < share else (rng.choice(personas), "features")
            for _ in range(plan.image_rows)
        ]
        losses: dict[str, Tensor] = {}
        states: dict[Modality, Tensor] = {}
        counts: dict[Modality, int] = {"image": plan.image_rows, "text": plan.text_rows}
        for modality, count in counts.items():
            items = [
                Query(persona=person, modality=modality, split="train", view=rng.randrange(_VIEWS), task=task)
                for person, task in queried[:count]
            ]
            losses[modality], states[modality] = answer_loss(model, batcher(items))
            losses[f"{modality}_attributes"] = _head_loss(heads, states[modality][:, None], items)
        tasks = [task for _, task in queried[: plan.text_rows]]
        contrast = _contrast(states["image"][: plan.text_rows], states["text"], tasks, plan.temperature)
        read = losses["image_attributes"] + losses["text_attributes"]
        loss = losses["image"] + losses["text"] + plan.contrast * contrast + plan.attributes * read
        _step(loss, optimizer, plan.lr * _rate(step, plan.steps))
        report(step, {**{name: value.item() for name, value in losses.items()}, "contrast": contrast.item()})


def _ramp(progress: float, start: float, full: float) -> float:
    return min(1.0, max(0.0, (progress - start) / (full - start)))


def answer_loss(model: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(mean answer loss, (B, D) last hidden state before each answer); logits exist at answer positions only."""
    labels = batch["labels"]
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    hidden = model.model(**inputs).last_hidden_state
    scored = labels[:, 1:] != -100
    logits = model.lm_head(hidden[:, :-1][scored])
    first = scored.int().argmax(1)
    return nn.functional.cross_entropy(logits, labels[:, 1:][scored]), hidden[torch.arange(len(labels)), first]


def _contrast(pictures: Tensor, descriptions: Tensor, tasks: Sequence[str], temperature: float) -> Tensor:
    """Symmetric InfoNCE between the two modalities' answer states, among rows that were asked the same."""
    total = pictures.new_zeros(())
    for task in sorted(set(tasks)):
        rows = [row for row, queried in enumerate(tasks) if queried == task]
        if len(rows) < 2:
            continue
        a = nn.functional.normalize(pictures[rows], dim=-1)
        b = nn.functional.normalize(descriptions[rows], dim=-1)
        similarity, same = a @ b.T / temperature, torch.arange(len(rows))
        pair = nn.functional.cross_entropy(similarity, same) + nn.functional.cross_entropy(similarity.T, same)
        total = total + pair * len(rows) / (2 * len(tasks))
    return total
