# SPDX-License-Identifier: Apache-2.0
"""Base models learn the answers and nothing else, in legs that make one training, from whom they are given."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from crossmem_hf.models.checkpoint import load_training, save_training
from crossmem_hf.models.micro import batches, pretraining, tasks
from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.micro.model import MicroShape, build_model
from crossmem_hf.models.micro.pretraining import (
    AttributeHeads,
    LanguagePlan,
    answer_loss,
    optimizer_for,
    train_language,
    train_vision,
)
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.seeding import rng_for
from tests.models.micro.conftest import PRESENTED

SMALL = {"steps": 8, "image_rows": 6, "text_rows": 4, "named_rows": 2}
PLAIN = LanguagePlan(**SMALL, later_from=-1.0, later_full=0.1)
BRIDGED = LanguagePlan(**SMALL, later_from=-1.0, later_full=0.1, contrast=0.3, attributes=0.3)


def language(model, processor, background, plan, steps=range(2), heads=None, optimizer=None):
    """Train for some steps; their reports."""
    reports = []
    optimizer = optimizer or optimizer_for([model, heads] if heads else [model], 1e-3)
    train_language(
        model,
        Batcher(processor),
        background,
        plan,
        rng=rng_for(0, "language", steps.start),
        report=lambda step, numbers: reports.append((step, numbers)),
        steps=steps,
        heads=heads,
        optimizer=optimizer,
    )
    return reports


def vision(model, processor, background, steps=range(2), heads=None, optimizer=None):
    heads = heads or AttributeHeads(model.config.vision_config.hidden_size)
    train_vision(
        model,
        Batcher(processor),
        background,
        steps=steps,
        all_steps=4,
        batch_size=4,
        heads=heads,
        optimizer=optimizer or optimizer_for([model.model.vision_tower, heads], 1e-3),
        rng=rng_for(0, "vision", steps.start),
        report=lambda *_: None,
    )


def weights(*modules):
    return [value.clone() for module in modules for value in module.state_dict().values()]


def text_heads(model):
    torch.manual_seed(1)
    return AttributeHeads(model.config.text_config.hidden_size)


# the loss


@pytest.mark.parametrize("modality", PRESENTED)
def test_the_loss_is_the_mean_over_answer_tokens(processor, tiny, few, modality):
    """Worked out by hand, row by row and without padding; and the states are those before the answers."""
    queries, batcher = few[modality][::3], Batcher(processor)
    loss, states = answer_loss(tiny, batcher(queries))
    found = []
    for query, state in zip(queries, states, strict=True):
        batch = batcher([query])
        labels = batch.pop("labels")[0]
        logprobs = tiny(**batch).logits[0].log_softmax(-1)
        places = (labels != -100).nonzero().flatten().tolist()
        found += [-logprobs[place - 1, labels[place]] for place in places]
        hidden = tiny.model(**batch).last_hidden_state[0, places[0] - 1]
        assert torch.allclose(state, hidden, atol=1e-5)
    assert torch.allclose(loss, torch.stack(found).mean(), atol=1e-5)


@pytest.mark.parametrize("modality", PRESENTED)
def test_parts_of_like_length_change_neither_loss_nor_gradients(processor, tiny, few, modality):
    queries, batcher = few[modality][::-1], Batcher(processor)
    together, in_order = answer_loss(tiny, batcher(queries))
    together.backward()
    gradients = {name: weight.grad.clone() for name, weight in tiny.named_parameters() if weight.grad is not None}
    tiny.zero_grad()
    losses, states = pretraining._losses(tiny, pretraining._parts(batcher, modality, queries, 3))
    losses[modality].backward()
    assert torch.allclose(losses[modality], together, atol=1e-5)
    assert torch.allclose(states[modality], in_order, atol=1e-5), "back in the order of the queries"
    assert len(gradients) > 10
    for name, weight in tiny.named_parameters():
        if name in gradients:
            assert torch.allclose(weight.grad, gradients[name], atol=1e-5), name


def test_parts_weigh_as_much_as_they_have_answer_tokens(processor, tiny, few):
    """A plain mean over the parts would be another number."""
    queries, batcher = few["text"], Batcher(processor)
    groups = [[queries[place] for place in group] for group in batcher.by_length(queries, 3)]
    losses = [answer_loss(tiny, batcher(group))[0].item() for group in groups]
    counts = [int((batcher(group)["labels"] != -100).sum()) for group in groups]
    found = pretraining._losses(tiny, pretraining._parts(batcher, "text", queries, 3))[0]["text"].item()
    weighted = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    assert found == pytest.approx(weighted, abs=1e-5)
    assert abs(found - sum(losses) / 3) > 1e-4


def test_parts_of_several_processes_add_up_to_the_losses(processor, tiny, few, monkeypatch):
    batcher = Batcher(processor)
    parts = [
        *pretraining._parts(batcher, "image", few["image"], 3),
        *pretraining._parts(batcher, "text", few["text"], 2),
    ]
    whole, states = pretraining._losses(tiny, parts)
    assert states.keys() == {"image", "text"}
    shares = []
    for mine in ([True, False, False, True, False], [False, True, True, False, True]):
        monkeypatch.setattr(pretraining, "taken", lambda costs, mine=mine: mine)
        own, none = pretraining._losses(tiny, parts)
        assert none == {}, "no process has all states"
        shares.append(own)
    for name, loss in whole.items():
        assert sum(own[name].item() for own in shares) == pytest.approx(loss.item(), abs=1e-5)


# what is trained on


@pytest.fixture
def presented(monkeypatch):
    """Whom training shows or describes, with the family of the view."""
    seen = []
    for module, name in ((batches, "view_for"), (tasks, "describe")):
        original = getattr(module, name)

        def noted(persona, split, view, original=original):
            seen.append((persona, split))
            return original(persona, split, view)

        monkeypatch.setattr(module, name, noted)
    return seen


def test_training_presents_the_given_people_in_training_views_only(processor, tiny, background, presented):
    before = weights(tiny)
    vision(tiny, processor, background)
    language(tiny, processor, background, PLAIN)
    assert {split for _, split in presented} == {"train", "wide"}
    assert {one.id for one, _ in presented} <= {one.id for one in background.seen}
    assert len(presented) >= 2 * 4 + 2 * 10
    assert any(not torch.equal(*pair) for pair in zip(before, weights(tiny), strict=True))


def test_portraits_and_descriptions_are_of_the_same_personas_and_tasks(processor, tiny, background, monkeypatch):
    asked, original = [], Batcher.__call__
    monkeypatch.setattr(Batcher, "__call__", lambda self, queries: asked.extend(queries) or original(self, queries))
    language(tiny, processor, background, PLAIN, range(1))
    whom = {
        modality: {(one.persona.id, one.task) for one in asked if one.modality == modality} for modality in PRESENTED
    }
    assert whom["text"] <= whom["image"]
    assert [sum(one.modality == modality for one in asked) for modality in PRESENTED] == [6, 4, 2]
    assert {task for _, task in whom[None]} <= {"fact", "unknown_fact"}


def test_names_alone_are_asked_about_as_late_as_names_and_facts(processor, tiny, background):
    plan = LanguagePlan(**SMALL, later_from=0.25, later_full=0.5)
    reports = language(tiny, processor, background, plan, range(4))
    assert ["named" in numbers for _, numbers in reports] == [False, False, False, True]
    ramp = LanguagePlan(steps=8, later_from=0.25, later_full=0.5)
    assert [ramp.later(step) for step in (0, 2, 3, 4, 8)] == [0, 0, 0.5, 1, 1]


def test_examples_are_asked_for_where_the_plan_says_so(processor, tiny, background, monkeypatch):
    assert [replace(PLAIN, later_full=0.0).later(step) for step in (0, 1)] == [1, 1]
    minimized = []
    monkeypatch.setattr(pretraining, "_step", lambda loss, *_: minimized.append(loss.item()))
    for rows in (0, 5):
        ((_, parts),) = language(tiny, processor, background, replace(PLAIN, example_rows=rows), range(3, 4))
        assert ("examples" in parts) == (rows > 0)
        expected = parts["image"] + parts["text"] + parts["named"] * PLAIN.named_rows / PLAIN.image_rows
        expected += parts.get("examples", 0) * rows / PLAIN.image_rows
        assert minimized.pop() == pytest.approx(expected, abs=1e-5)


# one training, in legs


def fresh(processor):
    torch.manual_seed(0)
    small = {"vision_width": 16, "vision_layers": 1, "text_width": 32, "text_layers": 1, "text_mlp": 32, "heads": 2}
    return build_model(processor, MicroShape(**small))


@pytest.mark.parametrize("bridged", [False, True])
def test_language_training_in_legs_is_one_training(processor, background, tmp_path, bridged):
    """The second leg with what the first has left on disk, weights, heads and optimizer, is bit for bit the same."""
    plan, ends = BRIDGED if bridged else PLAIN, []
    for is_killed in (False, True):
        model = fresh(processor)
        parts = nn.ModuleDict({"model": model} | ({"heads": text_heads(model)} if bridged else {}))
        optimizer = optimizer_for([parts], plan.lr)
        language(model, processor, background, plan, range(2), parts["heads"] if bridged else None, optimizer)
        if is_killed:
            save_training(tmp_path / "saved", 2, parts, optimizer)
            model = fresh(processor)
            parts = nn.ModuleDict({"model": model} | ({"heads": text_heads(model)} if bridged else {}))
            optimizer = optimizer_for([parts], plan.lr)
            assert load_training(tmp_path / "saved", parts, optimizer) == 2
        language(model, processor, background, plan, range(2, 4), parts["heads"] if bridged else None, optimizer)
        ends.append(weights(parts))
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_vision_training_in_legs_is_one_training(processor, background, tmp_path):
    ends = []
    for is_killed in (False, True):
        both = nn.ModuleDict({"model": fresh(processor), "eyes": AttributeHeads(16)})
        optimizer = optimizer_for([both["model"].model.vision_tower, both["eyes"]], 1e-3)
        vision(both["model"], processor, background, range(2), both["eyes"], optimizer)
        if is_killed:
            save_training(tmp_path / "saved", 2, both, optimizer)
            both = nn.ModuleDict({"model": fresh(processor), "eyes": AttributeHeads(16)})
            optimizer = optimizer_for([both["model"].model.vision_tower, both["eyes"]], 1e-3)
            assert load_training(tmp_path / "saved", both, optimizer) == 2
        vision(both["model"], processor, background, range(2, 4), both["eyes"], optimizer)
        ends.append(weights(both))
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_vision_trains_the_tower_and_nothing_behind_it(processor, background):
    model = fresh(processor)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    vision(model, processor, background)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all("vision_tower" in name for name in changed)


# the bridge


def test_the_plain_plan_has_no_bridge(processor, tiny, background):
    assert (LanguagePlan().contrast, LanguagePlan().attributes) == (0, 0)
    ((_, numbers),) = language(tiny, processor, background, PLAIN, range(1))
    assert numbers.keys() == {"image", "text", "named"}


@pytest.mark.parametrize("plan", [PLAIN, BRIDGED])
def test_what_is_minimized_is_the_sum_that_the_plan_says(processor, tiny, background, monkeypatch, plan):
    minimized = []
    monkeypatch.setattr(pretraining, "_step", lambda loss, optimizer, lr: minimized.append((loss.item(), lr)))
    heads = text_heads(tiny) if plan.contrast else None
    ((_, parts),) = language(tiny, processor, background, plan, range(3, 4), heads)
    expected = parts["image"] + parts["text"] + parts["named"] * plan.named_rows / plan.image_rows
    if heads is not None:
        expected += 0.3 * parts["contrast"] + 0.3 * (parts["image_attributes"] + parts["text_attributes"])
    assert minimized == [(pytest.approx(expected, abs=1e-5), plan.lr * pretraining._rate(3, plan.steps))]


def test_the_bridge_reaches_both_modalities_and_its_heads(processor, tiny, background):
    heads = text_heads(tiny)
    before = weights(heads)
    ((_, numbers),) = language(tiny, processor, background, BRIDGED, range(1), heads)
    assert numbers.keys() == {"image", "text", "named", "contrast", "image_attributes", "text_attributes"}
    assert any(not torch.equal(*pair) for pair in zip(before, weights(heads), strict=True))


def test_heads_name_every_attribute():
    logits = AttributeHeads(8)(torch.randn(3, 5, 8))
    assert {name: tuple(values.shape) for name, values in logits.items()} == {
        name: (3, len(pool)) for name, pool in VISUAL_ATTRIBUTES.items()
    }


def test_the_loss_of_heads_is_the_mean_over_attributes(drawn):
    """Worked out by hand; the heads see the mean over the patches."""
    torch.manual_seed(0)
    heads, features, queries = AttributeHeads(8), torch.randn(3, 5, 8), drawn["image"][:3]
    pooled = heads.norm(torch.stack([features[row].sum(0) / 5 for row in range(3)]))
    found = [
        -heads.heads[name](pooled[row]).log_softmax(-1)[pool.index(query.persona.visual_attributes[name])]
        for name, pool in VISUAL_ATTRIBUTES.items()
        for row, query in enumerate(queries)
    ]
    assert torch.allclose(pretraining._head_loss(heads, features, queries), torch.stack(found).mean(), atol=1e-6)


def test_the_contrast_is_small_for_pairs_and_large_for_strangers():
    torch.manual_seed(0)
    states = nn.functional.normalize(torch.randn(8, 32), dim=-1)
    tasks = ["name"] * 4 + ["features"] * 4
    paired = pretraining._contrast(states, states, tasks, 0.1)
    swapped = pretraining._contrast(states, states[[1, 0, 3, 2, 5, 4, 7, 6]], tasks, 0.1)
    assert 0 <= paired < 0.1 < 2 < swapped
    assert pretraining._contrast(states[:1], states[:1], ["name"], 0.1) == 0


def test_the_contrast_sets_a_row_against_rows_of_its_task_only():
    torch.manual_seed(0)
    pictures, descriptions = torch.randn(5, 16), torch.randn(5, 16)
    tasks = ["name", "fact", "name", "fact", "name"]
    whole = pretraining._contrast(pictures, descriptions, tasks, 0.1)
    alone = 0.0
    for task in ("name", "fact"):
        rows = [row for row, one in enumerate(tasks) if one == task]
        part = pretraining._contrast(pictures[rows], descriptions[rows], [task] * len(rows), 0.1)
        alone += part * len(rows) / 5
    assert torch.allclose(whole, alone)


# the schedule


def test_the_rate_warms_up_and_falls():
    rates = [pretraining._rate(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 60)
    assert max(rates) == rates[59]
    assert rates[-1] == pytest.approx(0.03, abs=1e-3)
    assert all(later <= earlier for earlier, later in pairwise(rates[60:]))


def test_training_is_repeatable(processor, background):
    ends = []
    for _ in range(2):
        model = fresh(processor)
        vision(model, processor, background, range(1))
        language(model, processor, background, PLAIN, range(1))
        ends.append(weights(model))
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))
