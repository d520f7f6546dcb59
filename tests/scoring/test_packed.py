# SPDX-License-Identifier: Apache-2.0
"""Trees behind cached starts: every token's value is that of its sequence alone; memory is as documented."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    JambaConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MistralConfig,
    MistralForCausalLM,
)

from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.continuations import details, logprobs
from crossmem_hf.scoring.inputs import encode
from crossmem_hf.scoring.packed import Forest, _masks, can_pack, packed, packed_pass
from crossmem_hf.scoring.prefill import Group, Prefilled, PromptQueue, prefilled
from crossmem_hf.scoring.tree import token_trees
from crossmem_hf.seeding import rng_for
from tests.scoring.tiny import llama, text_config, tokenizer

WINDOW = 12
ROOMS = [1, 7, 512]


def model_with(attention):
    sizes = {"num_key_value_heads": 2, "sliding_window": WINDOW}
    if attention == "window":
        return llama(MistralForCausalLM, text_config(MistralConfig, **sizes))
    if attention == "hybrid":
        layers = ["sliding_attention", "full_attention", "sliding_attention"]
        return llama(Gemma3ForCausalLM, text_config(Gemma3TextConfig, head_dim=12, layer_types=layers, **sizes))
    model = llama()
    model.set_attn_implementation(attention)
    return model


def texts(number):
    """Rows some of which start alike, some with texts of their own, one twice."""
    rng = rng_for(0, "texts", number)
    start = "A red hat, a green scarf and a dog are what this person has. "
    said = [start + rng.choice(["Who?", "Who is it?", "Is it Ann?", ""]) for _ in range(4)]
    said += ["Who?", "This is another text, which shares no start. Who is it?", said[0]]
    return [{"prompt": [{"role": "user", "content": text}], "images": []} for text in said]


def some_continuations(number, rows):
    """For each row up to six token lists, from one token to many, some of them starts of others."""
    rng = rng_for(0, "continuations", number)
    shared = [[rng.randrange(5, 9) for _ in range(rng.choice([1, 1, 2, 5, 15]))] for _ in range(4)]
    shared.append(shared[3][:1])
    own = [[[rng.randrange(5, 300) for _ in range(rng.randint(1, 6))] for _ in range(rng.randint(1, 6))] for _ in rows]
    return [shared if place % 2 else own[place] for place in range(len(rows))]


def in_full(model, row, tokens):
    """(tokens, vocabulary) float64 log-probabilities from one plain pass over prompt and tokens."""
    prompt = encode(tokenizer(), [prompt_text(tokenizer(), row)], [()])["input_ids"]
    whole = torch.cat([prompt, torch.tensor([tokens])], dim=1)
    with torch.no_grad():
        logits = model(input_ids=whole, use_cache=False).logits[0, -len(tokens) - 1 : -1]
    return torch.log_softmax(logits.double(), -1)


def found_by(model, rows, continuations, room, *, held_back=0):
    """For each row and number of a continuation the values of its tokens."""
    queue = PromptQueue(tokenizer(), rows, share=True, device="cpu", held_back=held_back)
    forest, found = Forest(continuations), {}
    while queue:
        batch = queue.take(3)
        with torch.inference_mode():
            start = prefilled(model, batch.inputs)
            for part in packed(model, start, batch.groups, forest, room, logprobs):
                assert part.owners.tolist() == sorted(part.owners.tolist())
                for owner in set(part.owners.tolist()):
                    key = part.row, part.first + owner
                    assert key not in found
                    found[key] = part.values[part.owners == owner, 0]
    return found


@pytest.mark.parametrize("held_back", [0, 1])
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("attention", ["sdpa", "eager", "window", "hybrid"])
def test_every_token_is_as_in_a_plain_pass(attention, room, held_back):
    model, rows = model_with(attention), texts(room)
    continuations = some_continuations(room, rows)
    found = found_by(model, rows, continuations, room, held_back=held_back)
    assert sorted(found) == [(row, at) for row, several in enumerate(continuations) for at in range(len(several))]
    for (row, number), values in found.items():
        tokens = continuations[row][number]
        expected = in_full(model, rows[row], tokens)[range(len(tokens)), tokens].numpy()
        assert values.shape == expected.shape
        assert np.abs(values - expected).max() <= 1e-4


def test_a_start_can_be_used_again():
    """Passes leave the cache as they found it."""
    model, rows = model_with("sdpa"), texts(0)
    batch = PromptQueue(tokenizer(), rows, share=True, device="cpu").take(9)
    forest = Forest(some_continuations(0, rows))
    with torch.inference_mode():
        start = prefilled(model, batch.inputs)
        before = [(layer.keys.clone(), layer.values.clone()) for layer in start.cache.layers]
        first, again = (list(packed(model, start, batch.groups, forest, 4, logprobs)) for _ in range(2))
        for layer, (keys, values) in zip(start.cache.layers, before, strict=True):
            assert torch.equal(layer.keys, keys)
            assert torch.equal(layer.values, values)
    assert all(np.array_equal(one.values, other.values) for one, other in zip(first, again, strict=True))


# passes


def passes(model, work):
    """Shapes of the ids fed and of the logits made in each forward pass."""
    seen = []

    def note(module, given, named, out):
        seen.append((tuple(named["input_ids"].shape), tuple(out.logits.shape[:2])))

    handle = model.register_forward_hook(note, with_kwargs=True)
    work()
    handle.remove()
    return seen


@pytest.mark.parametrize("room", [1, 10, 512])
def test_no_pass_is_larger_than_its_room(room):
    """Prompts take one position of the head each, trees as many as they have inner nodes."""
    model, rows = llama(), texts(1)[-2:]
    continuations = [[[5 + number, *range(10, 19), 2] for number in range(12)]] * 2
    seen = passes(model, lambda: found_by(model, rows, continuations, room))
    (prompts, heads), *behind = seen
    assert (prompts[0], heads) == (2, (2, 1))
    assert all(fed == made == (2, max(room // 10, 1) * 10 if room < 120 else 120) for fed, made in behind)
    assert sum(fed[1] for fed, _ in behind) == 12 * 10


def test_single_tokens_need_no_second_pass():
    model, rows = llama(), texts(1)[:1]
    assert len(passes(model, lambda: found_by(model, rows, [[[number] for number in range(5, 300)]], 512))) == 1


def test_shared_starts_are_fed_once():
    """A hundred continuations with nine tokens in common."""
    model, rows = llama(), texts(1)[:1]
    several = [[*range(10, 19), number, 2] for number in range(20, 120)]
    _, behind = passes(model, lambda: found_by(model, rows, [several], 512))
    assert behind == ((1, 109), (1, 109))


# trees that are kept


def test_rows_that_share_continuations_share_their_trees():
    shared, own, group = [[5, 6, 7]], [[5, 6, 7]], (((),),)
    forest = Forest([shared, shared, own])
    trees = [forest.of(Group((row,), *group), 9) for row in range(3)]
    assert trees[0][0] is trees[1][0]
    assert trees[2][0] == trees[0][0]
    assert trees[2][0] is not trees[0][0]
    assert forest.of(Group((0,), *group), 1) is not trees[0]
    assert forest.of(Group((0,), ((8,),)), 9)[0].fed == [8, 5, 6]


def test_trees_of_one_row_are_not_kept():
    """With lists of their own for many rows they would fill the memory."""
    forest = Forest([[[5, 6]], [[5, 6]]])
    tree = weakref.ref(forest.of(Group((0,), ((),)), 9)[0])
    gc.collect()
    assert tree() is None


# masks


@pytest.mark.parametrize("attention", ["sdpa", "window", "hybrid"])
@pytest.mark.parametrize("same", [True, False])
def test_masks_by_hand(attention, same):
    """Each node sees the real tokens of its start, its ancestors and itself, no further than its layer's window."""
    model = llama() if attention == "sdpa" else model_with(attention)
    trees = token_trees([[5, 6, 7, 8, 9], [5, 6, 9, 9], [7, 7]], [0] * 3, 99) * 2
    if not same:
        trees[1] = token_trees([[1, 2, 3], [4, 5]], [0] * 2, 99)[0]
    real = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [1] * 12])
    start = Prefilled(None, torch.zeros(2, 9), real, real.sum(1, keepdim=True))
    size = max(len(tree.fed) for tree in trees)
    depth = torch.tensor([tree.depths + [0] * (size - len(tree.fed)) for tree in trees])
    masks = _masks(model, start, trees, depth)
    if attention == "hybrid":
        assert set(masks) == {"full_attention", "sliding_attention"}
    else:
        masks = {"sliding_attention" if attention == "window" else "full_attention": masks}
    for kind, mask in masks.items():
        assert mask.shape == (2, 1, size, 12 + size)
        window = WINDOW if kind == "sliding_attention" else 10**6
        for row, tree in enumerate(trees):
            length = int(real[row].sum())
            for node in range(len(tree.fed)):
                mine = length + tree.depths[node]
                places = [int(real[row, : key + 1].sum()) - 1 for key in range(12)]
                sees = [bool(real[row, key]) and mine - places[key] < window for key in range(12)]
                above, at = set(), node
                while at >= 0:
                    above.add(at)
                    at = tree.parents[at]
                near = [tree.depths[node] - depth < window for depth in tree.depths]
                sees += [key in above and near[key] for key in range(len(near))] + [False] * (size - len(near))
                assert (mask[row, 0, node] == 0).tolist() == sees
        assert mask.unique().tolist() == [torch.finfo(torch.float32).min, 0]


def text_model(config, attention="sdpa"):
    config._attn_implementation = attention
    return SimpleNamespace(config=config)


def test_which_attention_is_packed():
    assert all(can_pack(model_with(attention)) for attention in ("sdpa", "eager", "window", "hybrid"))
    assert not can_pack(text_model(LlamaConfig(), "flash_attention_2"))
    assert not can_pack(text_model(LlamaConfig(), "flex_attention"))
    assert not can_pack(text_model(JambaConfig()))
    assert not can_pack(text_model(MambaConfig()))


# memory


def peak(work):
    """Most bytes of tensors that were alive at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded, torch.inference_mode():
        work()
    now = most = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def one_pass(starts, length, sequences, vocabulary, measure):
    """Measured peak of one packed pass; and the documented terms of logits and of the mask."""
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, num_key_value_heads=1, pad_token_id=0, **sizes)).eval()
    ids = torch.full((starts, length), 5)
    with torch.inference_mode():
        start = prefilled(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    (tree,) = token_trees([[3 + number, *[5] * 7, 2] for number in range(sequences)], [0] * sequences, 9999)
    nodes = len(tree.fed)
    most = peak(lambda: packed_pass(model, start, [tree] * starts, measure))
    mask = (4 + 3) * starts * nodes * (length + nodes)
    return most, 4 * starts * nodes * vocabulary, 4 * nodes * vocabulary, mask


@pytest.mark.parametrize(("measure", "copies"), [(logprobs, 1), (details, 4)])
@pytest.mark.parametrize(("starts", "sequences"), [(1, 16), (4, 8)])
def test_logits_take_what_the_formula_says(starts, sequences, measure, copies):
    """A large vocabulary: logits of all starts, and up to four float copies of those of one."""
    most, logits, one, mask = one_pass(starts, 20, sequences, 10_000, measure)
    assert logits + one < most <= logits + copies * one + mask + 100_000 * starts
    assert copies <= 4


@pytest.mark.parametrize(("attention", "bytes_each"), [("sdpa", 4 + 3), ("window", 20), ("hybrid", 20)])
@pytest.mark.parametrize(("starts", "length"), [(1, 400), (4, 100)])
@pytest.mark.parametrize("same", [True, False])
def test_masks_take_what_the_formula_says(same, starts, length, attention, bytes_each):
    model, paths = model_with(attention), [[3 + number, *[5] * 7, 2] for number in range(20)]
    trees = [token_trees(paths, [0] * 20, 999)[0] for _ in range(starts)]
    trees = [trees[0]] * starts if same else trees
    depth, ones = torch.tensor([tree.depths for tree in trees]), torch.ones((starts, length), dtype=torch.long)
    start = Prefilled(None, torch.zeros(starts, 9), ones, ones.sum(1, keepdim=True))
    most = peak(lambda: _masks(model, start, trees, depth)) / (starts * 160 * (length + 160))
    assert 4 < most <= bytes_each
