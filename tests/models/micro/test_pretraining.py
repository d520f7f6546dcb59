# SPDX-License-Identifier: Apache-2.0
"""Pre-training feeds exactly what the processor would, and never a target persona."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from crossmem_hf.models.micro import pretraining
from crossmem_hf.models.micro.pretraining import (
    AttributeHeads,
    Batcher,
    LanguagePlan,
    Query,
    answer_loss,
    optimizer_for,
    train_language,
    train_vision,
)
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.personas.naming import NAMES_PER_POPULATION, full_name
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.questions import FEATURE_QUESTIONS, NAME_QUESTIONS, features_answer
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from crossmem_hf.scoring.inputs import encode
from crossmem_hf.seeding import rng_for

TARGET_SEEDS = (0, 1, 2, 5)


def queried(persona, modality, task, view=0, split="test"):
    return Query(persona=persona, modality=modality, split=split, view=view, task=task)


def as_row(item):
    """The dataset row that asks the same."""
    questions = NAME_QUESTIONS if item.task == "name" else FEATURE_QUESTIONS
    if item.modality == "image":
        picture = render_portrait(item.persona, view_for(item.persona, item.split, item.view), 64)
        return {"prompt": [{"role": "user", "content": questions["image"]}], "images": [picture]}
    text = questions["text"].format(description=describe(item.persona, item.split, item.view).text)
    return {"prompt": [{"role": "user", "content": text}], "images": []}


@pytest.fixture
def items(background):
    """Both modalities and both tasks, of people whose prompts differ in length."""
    return {
        modality: [
            queried(person, modality, task, view)
            for view, person in enumerate(background[:4])
            for task in ("name", "features")
        ]
        for modality in MODALITIES
    }


# the same as the processor and the chat template


@pytest.mark.parametrize("modality", MODALITIES)
def test_training_inputs_are_those_of_the_processor(processor, items, modality):
    batch = Batcher(processor)(items[modality])
    for index, item in enumerate(items[modality]):
        row = as_row(item)
        prompt = encode(processor, [prompt_text(processor, row)], [row["images"]])
        (answer,), _ = answer_tokens(processor, row, [item.answer])
        expected = [*prompt["input_ids"][0].tolist(), *answer]
        ids, mask, labels = (batch[name][index] for name in ("input_ids", "attention_mask", "labels"))
        assert ids[: len(expected)].tolist() == expected
        assert mask.tolist() == [1] * len(expected) + [0] * (len(ids) - len(expected))
        assert labels[labels != -100].tolist() == answer
        assert labels[len(expected) - len(answer) : len(expected)].tolist() == answer
        assert (ids[len(expected) :] == processor.tokenizer.pad_token_id).all()
        assert ("pixel_values" in batch) == ("pixel_values" in prompt)
        if modality == "image":
            assert torch.allclose(batch["pixel_values"][index], prompt["pixel_values"][0], atol=2e-6)


@pytest.mark.parametrize("modality", MODALITIES)
def test_prompts_are_those_of_scoring(processor, items, modality):
    mine = Batcher(processor).prompts(items[modality])
    rows = [as_row(item) for item in items[modality]]
    theirs = encode(processor, [prompt_text(processor, row) for row in rows], [row["images"] for row in rows])
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(mine[name], theirs[name])
    if modality == "image":
        assert torch.allclose(mine["pixel_values"], theirs["pixel_values"], atol=2e-6)


def test_the_loss_is_the_mean_over_answer_tokens(processor, tiny, items):
    batch = Batcher(processor)(items["text"])
    loss, states = answer_loss(tiny, batch)
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    whole = tiny(**inputs, labels=batch["labels"])
    assert torch.allclose(loss, whole.loss, atol=1e-5)
    hidden = tiny.model(**inputs).last_hidden_state
    for index, labels in enumerate(batch["labels"]):
        before = int((labels != -100).nonzero()[0]) - 1
        assert torch.equal(states[index], hidden[index, before])


# no target, ever


def test_the_corpus_holds_no_name_of_anyone(corpus):
    """Nor does it hold a background name; parts of names stand alone."""
    words = set(re.findall("[A-Za-z]+", " ".join(corpus)))
    for population in ("target", "background"):
        for seed in TARGET_SEEDS:
            names = " ".join(full_name(index, seed, population) for index in range(NAMES_PER_POPULATION))
            assert not words & set(names.split())


def test_what_the_corpus_describes_looks_like_no_target(background):
    """It describes background people only, and every target differs from each of them in three attributes or more."""
    targets = [person for seed in TARGET_SEEDS for person in sample_personas(200, seed)]
    codes = [
        np.array(
            [
                [pool.index(person.visual_attributes[name]) for name, pool in VISUAL_ATTRIBUTES.items()]
                for person in personas
            ]
        )
        for personas in (background, targets)
    ]
    assert (codes[0][:, None] != codes[1][None]).sum(-1).min() >= 3


@pytest.fixture
def shown(monkeypatch):
    """Everybody whose portrait, description or answer pre-training uses, with the split of the view."""
    seen = []
    for name in ("view_for", "describe"):
        original = getattr(pretraining, name)

        def noted(persona, split, view, original=original):
            seen.append((persona, split))
            return original(persona, split, view)

        monkeypatch.setattr(pretraining, name, noted)
    return seen


def trained(model, processor, background, steps=2):
    heads = AttributeHeads(model.config.text_config.hidden_size)
    plan = LanguagePlan(steps=4, names_from=-1.0, names_full=0.1)
    eyes, rng = AttributeHeads(model.config.vision_config.hidden_size), rng_for(0, "v")
    train_vision(model, processor, background, steps=steps, batch_size=4, heads=eyes, rng=rng, report=lambda *_: None)
    train_language(
        model,
        processor,
        background,
        background[:5],
        plan,
        rng=rng_for(0, "l"),
        report=lambda *_: None,
        steps=range(steps),
        heads=heads,
        optimizer=optimizer_for([model, heads], 1e-3),
    )
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_training_shows_the_given_people_in_training_views_only(processor, tiny, background, shown):
    before = {name: value.clone() for name, value in tiny.state_dict().items()}
    after = trained(tiny, processor, background[:50])
    assert {split for _, split in shown} == {"train"}
    assert {person.id for person, _ in shown} <= {person.id for person in background[:50]}
    assert {person.population for person, _ in shown} == {"background"}
    assert len(shown) > 100
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_only_the_named_are_asked_for_their_names(processor, tiny, background, monkeypatch):
    asked_for = []
    original = Batcher.__call__
    monkeypatch.setattr(Batcher, "__call__", lambda self, items: asked_for.extend(items) or original(self, items))
    trained(tiny, processor, background[:50])
    named = {item.persona.id for item in asked_for if item.task == "name"}
    assert named
    assert named <= {person.id for person in background[:5]}


def test_training_is_repeatable(processor, tiny, background):
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    ends = []
    for _ in range(2):
        tiny.load_state_dict(start)
        torch.manual_seed(3)
        ends.append(trained(tiny, processor, background[:20], steps=1))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in start)


# the pieces


def test_an_item_knows_its_answer(background):
    person = background[0]
    assert queried(person, "text", "name").answer == person.full_name
    assert queried(person, "image", "features").answer == features_answer(person.visual_attributes)


def test_heads_name_every_attribute():
    logits = AttributeHeads(8)(torch.randn(3, 5, 8))
    assert {name: tuple(values.shape) for name, values in logits.items()} == {
        name: (3, len(pool)) for name, pool in VISUAL_ATTRIBUTES.items()
    }


def test_the_contrast_is_small_for_pairs_and_large_for_strangers():
    torch.manual_seed(0)
    states = nn.functional.normalize(torch.randn(8, 32), dim=-1)
    tasks = ["name"] * 4 + ["features"] * 4
    paired = pretraining._contrast(states, states, tasks, 0.1)
    swapped = pretraining._contrast(states, states[[1, 0, 3, 2, 5, 4, 7, 6]], tasks, 0.1)
    assert 0 <= paired < 0.1 < 2 < swapped
    assert pretraining._contrast(states[:1], states[:1], ["name"], 0.1) == 0


def test_the_rate_warms_up_and_falls():
    rates = [pretraining._rate(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 60)
    assert max(rates) == rates[59]
    assert rates[-1] == pytest.approx(0.03, abs=1e-3)
    assert all(later <= earlier for earlier, later in pairwise(rates[60:]))
