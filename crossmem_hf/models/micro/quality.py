# SPDX-License-Identifier: Apache-2.0
"""How well a base model sees, reads, remembers and refuses. It does not know how the model was trained.

Views and wordings are those of the rows about target personas: the model has met neither.
"""

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import Any

import torch

from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.micro.tasks import Query
from crossmem_hf.personas.background import Background
from crossmem_hf.personas.schema import MODALITIES, Modality, Persona, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES
from crossmem_hf.prompts.background import taught_refusals
from crossmem_hf.prompts.questions import (
    FEATURE_QUESTIONS,
    MULTI_HOP_QUESTIONS,
    SINGLE_HOP_QUESTIONS,
    fact_question,
    name_question,
    parse_features,
)

Quality = dict[str, dict[str, float]]
_QUESTIONS = {"one_hop": SINGLE_HOP_QUESTIONS, "two_hops": MULTI_HOP_QUESTIONS}
_ATTRIBUTES_CHANCE = sum(1 / len(pool) for pool in VISUAL_ATTRIBUTES.values()) / len(VISUAL_ATTRIBUTES)
_REFUSALS = frozenset(taught_refusals())


def measured_quality(model: Any, processor: Any, background: Background, *, sample: int | None = None) -> Quality:
    """Shares from 0 to 1, each as ``{"value", "n", "chance"}``; modality and family of views are in the name.

    ``attributes``: of visual attributes that are named (mean over all), of personas never met. ``names``: full names
    of those whose names were taught; ``names_refused``: of them, refusals. ``unknown_refused``: refusals to name
    personas never met. ``facts_one_hop`` and ``facts_two_hops``: exact private facts; ``unknown_facts_refused``:
    refusals to give those of personas never met.

    Args:
        sample: Personas a measure at most.
    """
    asked = _Asked(model, processor, sample)
    found: Quality = {}
    families: tuple[ViewSplit, ...] = ("test", "far")
    for modality, split in product(MODALITIES, families):
        where = f"{modality}" if split == "test" else f"{modality}_far"
        found[f"attributes_{where}"] = asked.attributes(background.unseen, modality, split)
        names = asked.answers([_name(one, modality, split, 0) for one in asked.sampled(background.named)])
        found[f"names_{where}"] = _share(
            [answer == query.answer for query, answer in names], 1 / len(background.named)
        )
        found[f"names_refused_{where}"] = _share([answer in _REFUSALS for _, answer in names])
        unknown = asked.answers([_name(one, modality, split, 0) for one in asked.sampled(background.unseen)])
        found[f"unknown_refused_{where}"] = _share([answer in _REFUSALS for _, answer in unknown])
        for hops in _QUESTIONS:
            facts = asked.answers(_facts(asked.sampled(background.with_facts), modality, split, hops))
            found[f"facts_{hops}_{where}"] = _share([answer == query.answer for query, answer in facts])
        unknown = asked.answers(
            [query for hops in _QUESTIONS for query in _facts(asked.sampled(background.unseen), modality, split, hops)]
        )
        found[f"unknown_facts_refused_{where}"] = _share([answer in _REFUSALS for _, answer in unknown])
    return found


def _share(right: Sequence[bool], chance: float = 0.0) -> dict[str, float]:
    return {"value": sum(right) / len(right), "n": len(right), "chance": chance}


def _name(persona: Persona, modality: Modality, split: ViewSplit, view: int) -> Query:
    return _query(persona, modality, split, view, name_question(modality, split, view), persona.full_name, "name")


def _facts(personas: Sequence[Persona], modality: Modality, split: ViewSplit, hops: str) -> list[Query]:
    """One private fact a persona and wording, in turn."""
    found = []
    for place, persona in enumerate(personas):
        for number, wording in enumerate(_QUESTIONS[hops][split]):
            fact = FACT_ATTRIBUTES[(place + 3 * number) % len(FACT_ATTRIBUTES)]
            said = {"name": persona.full_name, "description": "{description}"}
            question = fact_question(wording, modality, fact, **said, synonym=split == "far")
            found.append(_query(persona, modality, split, number, question, persona.facts[fact], hops))
    return found


def _query(
    persona: Persona, modality: Modality, split: ViewSplit, view: int, question: str, answer: str, task: str
) -> Query:
    return Query(
        persona=persona,
        modality=modality,
        split=split,
        view=view,
        question=question.removeprefix("{description} "),
        answer=answer,
        task=task,
    )


class _Asked:
    """A model and whom it is asked about."""

    def __init__(self, model: Any, processor: Any, sample: int | None) -> None:
        self.model, self.batcher, self._sample = model, Batcher(processor), sample

    def sampled(self, personas: Sequence[Persona]) -> Sequence[Persona]:
        if self._sample is None or self._sample >= len(personas):
            return personas
        return Random(0).sample(list(personas), self._sample)

    def attributes(self, personas: Sequence[Persona], modality: Modality, split: ViewSplit) -> dict[str, float]:
        queries = [
            _query(one, modality, split, 0, FEATURE_QUESTIONS[modality], "", "features")
            for one in self.sampled(personas)
        ]
        right = [
            parse_features(answer)[name] == value
            for query, answer in self.answers(queries)
            for name, value in query.persona.visual_attributes.items()
        ]
        return {**_share(right, _ATTRIBUTES_CHANCE), "n": len(queries)}

    def answers(self, queries: Sequence[Query], batch_size: int = 200) -> list[tuple[Query, str]]:
        """The model's greedy answers, each with its query."""
        answers: list[str] = []
        was_training = self.model.training
        self.model.eval()
        for start in range(0, len(queries), batch_size):
            prompts = {
                name: value.to(self.model.device)
                for name, value in self.batcher.prompts(queries[start : start + batch_size]).items()
            }
            with torch.inference_mode():
                ids = self.model.generate(**prompts, do_sample=False, max_new_tokens=32)
            new = ids[:, prompts["input_ids"].shape[1] :]
            answers += [text.strip() for text in self.batcher.tokenizer.batch_decode(new, skip_special_tokens=True)]
        self.model.train(was_training)
        return list(zip(queries, answers, strict=True))
