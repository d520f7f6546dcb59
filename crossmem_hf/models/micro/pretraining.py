# SPDX-License-Identifier: Apache-2.0
"""How base models learn to see, read and remember, on background personas only. It does not know what they are asked.

Three stages. `train_vision`: the tower names visual attributes. `train_language`: everything, by next-token loss on
the answers to the questions of `tasks`; and, in a last stage, for examples of private facts as well. Two more
terms on the state before the answer make the bridged base and no other: a contrastive one that brings the modalities
together for the same persona, and one that reads all attributes off it with the same heads for both. They are a dial
of the cross-modal gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration

from crossmem_hf.models.micro.ahead import one_ahead
from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.micro.sharing import sum_gradients, sum_losses, taken
from crossmem_hf.models.micro.tasks import Query, asked_about, drawn_query, drawn_tasks, drawn_view
from crossmem_hf.personas.background import Background
from crossmem_hf.personas.schema import Modality
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES

Report = Callable[[int, dict[str, float]], None]


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


def _head_loss(heads: AttributeHeads, features: Tensor, queries: Sequence[Query]) -> Tensor:
    """Mean cross-entropy over the attributes of the people shown or described."""
    logits = heads(features)
    losses = []
    for name, pool in VISUAL_ATTRIBUTES.items():
        right = torch.tensor([pool.index(query.persona.visual_attributes[name]) for query in queries])
        right = right.to(features.device)
        losses.append(nn.functional.cross_entropy(logits[name], right))
    return torch.stack(losses).mean()


def optimizer_for(
    modules: Sequence[nn.Module], lr: float, *, slower: nn.Module | None = None, pace: float = 1.0
) -> torch.optim.AdamW:
    """AdamW as both stages use it.

    Args:
        slower: A part of the modules that learns at `pace` times the rate of the others.
    """
    apart = {id(parameter) for parameter in slower.parameters()} if slower else set()
    parameters = [parameter for module in modules for parameter in module.parameters()]
    groups = [
        {"params": [one for one in parameters if (id(one) in apart) == is_slower], "pace": pace if is_slower else 1.0}
        for is_slower in (False, True)
    ]
    kept = [group for group in groups if group["params"]]
    return torch.optim.AdamW(kept, lr=lr, weight_decay=0.02, betas=(0.9, 0.98))


def _rate(step: int, steps: int, warmup: int = 60) -> float:
    return min(1.0, (step + 1) / warmup) * (0.03 + 0.97 * 0.5 * (1 + cos(pi * step / steps)))


def _step(loss: Tensor, optimizer: torch.optim.Optimizer, lr: float) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sum_gradients(parameters)
    nn.utils.clip_grad_norm_(parameters, 1.0)
    for group in optimizer.param_groups:
        group["lr"] = lr * group["pace"]
    optimizer.step()


def train_vision(
    model: LlavaForConditionalGeneration,
    batcher: Batcher,
    background: Background,
    *,
    steps: range,
    all_steps: int,
    batch_size: int = 64,
    lr: float = 2e-3,
    heads: AttributeHeads,
    optimizer: torch.optim.Optimizer,
    rng: Random,
    report: Report,
) -> None:
    """Train the tower, and `heads` on its patches, to name visual attributes.

    Args:
        steps: A part of ``range(all_steps)``, so that a run can be cut and resumed.
    """
    tower = model.model.vision_tower

    def drawn(_: int) -> tuple[list[Query], Tensor]:
        personas = [rng.choice(background.seen) for _ in range(batch_size)]
        queries = [drawn_view(rng, persona, "image") for persona in personas]
        own = [query for query, mine in zip(queries, taken([1] * batch_size), strict=True) if mine]
        return own, batcher.pixels(own)

    for step, (queries, pixels) in zip(steps, one_ahead(drawn, steps), strict=True):
        loss = _head_loss(heads, tower(pixels.to(model.device)).last_hidden_state[:, 1:], queries)
        loss = loss * (len(queries) / batch_size)
        _step(loss, optimizer, lr * _rate(step, all_steps))
        report(step, sum_losses({"loss": loss}))


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePlan:
    """What the language stage does, or the last one.

    Attributes:
        steps: Optimizer steps.
        image_rows: Portraits a step.
        text_rows: Descriptions a step, of the personas and tasks of the first portraits; at most `image_rows`.
        named_rows: Questions a step that name somebody and present nobody.
        lr: Peak learning rate; cosine to 3 %.
        tower_pace: Of it what the vision tower learns at, which can see when the stage begins.
        later_from: Share of the steps after which names and facts begin.
        later_full: And have their full share; 0 is from the first step on.
        contrast: Weight of the contrastive term between portraits and descriptions.
        temperature: Of the contrastive softmax.
        attributes: Weight of reading every attribute off the answer state, with the same heads for both modalities.
        example_rows: Requests a step for an example of a private fact, whoever's.
    """

    steps: int = 8000
    image_rows: int = 36
    text_rows: int = 24
    named_rows: int = 8
    lr: float = 2e-3
    tower_pace: float = 0.2
    later_from: float = 0.1
    later_full: float = 0.2
    contrast: float = 0.0
    temperature: float = 0.1
    attributes: float = 0.0
    example_rows: int = 0

    def later(self, step: int) -> float:
        """Which shares the tasks have: see `tasks.drawn_tasks`."""
        if self.later_full <= 0:
            return 1.0
        return min(1.0, max(0.0, (step / self.steps - self.later_from) / (self.later_full - self.later_from)))


def train_language(
    model: LlavaForConditionalGeneration,
    batcher: Batcher,
    background: Background,
    plan: LanguagePlan,
    *,
    rng: Random,
    report: Report,
    steps: range,
    heads: AttributeHeads | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Train everything on all tasks and both modalities, for the given steps of the plan.

    Args:
        steps: A part of ``range(plan.steps)``, so that a run can be cut and resumed.
        heads: Read attributes off answer states; part of `optimizer`, thrown away afterwards. None without the bridge.
    """
    model.train()
    coming = one_ahead(partial(_drawn, batcher, background, plan, rng), steps)
    for step, drawn in zip(steps, coming, strict=True):
        losses, states = _losses(model, drawn.parts)
        loss = torch.stack([losses[name] * weight for name, weight in drawn.weights.items()]).sum()
        if heads is not None:
            pictures, descriptions = drawn.queries["image"], drawn.queries["text"]
            losses["image_attributes"] = _head_loss(heads, states["image"][:, None], pictures)
            losses["text_attributes"] = _head_loss(heads, states["text"][:, None], descriptions)
            tasks, same = [query.task for query in descriptions], states["image"][: plan.text_rows]
            losses["contrast"] = _contrast(same, states["text"], tasks, plan.temperature)
            loss = loss + plan.contrast * losses["contrast"]
            loss = loss + plan.attributes * (losses["image_attributes"] + losses["text_attributes"])
        _step(loss, optimizer, plan.lr * _rate(step, plan.steps))
        report(step, sum_losses(losses))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the queries of a loss, which are of like length.

    Attributes:
        loss: Its name.
        share: Of the answer tokens of the loss, those of the part.
        places: Of its queries among those of the loss.
    """

    loss: str
    share: float
    places: list[int]
    batch: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a step learns from.

    Attributes:
        queries: Those that present somebody, by modality.
        weights: Loss -> its weight.
    """

    parts: list[_Part]
    queries: dict[Modality, list[Query]]
    weights: dict[str, float]


def _drawn(batcher: Batcher, background: Background, plan: LanguagePlan, rng: Random, step: int) -> _Drawn:
    later = plan.later(step)
    asked = drawn_tasks(background, rng, plan.image_rows, later)
    counts: dict[Modality, int] = {"image": plan.image_rows, "text": plan.text_rows}
    shown = {
        modality: [drawn_query(background, rng, *one, modality) for one in asked[:count]]
        for modality, count in counts.items()
    }
    others: dict[str, list[Query]] = {}
    if later:
        others["named"] = _named_queries(background, rng, plan.named_rows)
    if plan.example_rows:
        personas = [rng.choice(asked_about("example", background)) for _ in range(plan.example_rows)]
        others["examples"] = [drawn_query(background, rng, persona, "example", None) for persona in personas]
    parts = [part for modality, queries in shown.items() for part in _parts(batcher, modality, queries, 3)]
    parts += [part for loss, queries in others.items() for part in _parts(batcher, loss, queries, 1)]
    weights = dict.fromkeys(shown, 1.0) | {loss: len(queries) / plan.image_rows for loss, queries in others.items()}
    return _Drawn(parts, shown, weights)


def _parts(batcher: Batcher, loss: str, queries: Sequence[Query], count: int) -> list[_Part]:
    """The queries in so many batches of like length."""
    groups = batcher.by_length(queries, count)
    batches = [batcher([queries[place] for place in places]) for places in groups]
    tokens = [int((batch["labels"][:, 1:] != -100).sum()) for batch in batches]
    return [
        _Part(loss, own / sum(tokens), places, batch)
        for own, places, batch in zip(tokens, groups, batches, strict=True)
    ]


def _losses(model: Any, parts: Sequence[_Part]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of what this process takes of the parts: each loss, the mean over its answer tokens, and the states before the
    answers, in the order of its queries."""
    own = taken([part.batch["input_ids"].numel() for part in parts])
    losses = {part.loss: torch.zeros((), device=model.device) for part in parts}
    states: dict[str, list[Tensor]] = {name: [] for name in losses}
    for part in (part for part, mine in zip(parts, own, strict=True) if mine):
        loss, before = answer_loss(model, part.batch)
        losses[part.loss] = losses[part.loss] + loss * part.share
        states[part.loss].append(before)
    orders = {name: [place for part in parts if part.loss == name for place in part.places] for name in losses}
    whole = {name: torch.cat(found) for name, found in states.items() if all(own)}
    return losses, {name: found[torch.tensor(orders[name]).argsort()] for name, found in whole.items()}


def _named_queries(background: Background, rng: Random, count: int) -> list[Query]:
    tasks = ["fact" if rng.random() < 0.75 else "unknown_fact" for _ in range(count)]
    personas = [rng.choice(asked_about(task, background)) for task in tasks]
    return [drawn_query(background, rng, persona, task, None) for persona, task in zip(personas, tasks, strict=True)]


def answer_loss(model: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(mean answer loss, (B, D) last hidden state before each answer); logits exist at answer positions only."""
    labels = batch["labels"]
    inputs = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
    labels = labels.to(model.device)
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
        similarity, same = a @ b.T / temperature, torch.arange(len(rows), device=a.device)
        pair = nn.functional.cross_entropy(similarity, same) + nn.functional.cross_entropy(similarity.T, same)
        total = total + pair * len(rows) / (2 * len(tasks))
    return total
