# SPDX-License-Identifier: Apache-2.0
"""The engine picks the way of scoring that is right for a model, keeps its budgets and survives want of memory."""

import gc
import logging
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaForCausalLM,
    MptConfig,
    MptForCausalLM,
)

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring import continuations as module
from crossmem_hf.scoring import packed
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from tests.scoring.families import families, rows
from tests.scoring.tiny import (
    CANDIDATES,
    NAMES,
    image_row,
    llama,
    llava,
    mixed_rows,
    naive,
    peaked,
    processor,
    text_row,
    tokenizer,
)

NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
TEXTS = [{**text_row(number), "answer": NAMES[number]} for number in range(4)]


def assert_as_the_oracle(model, rows, processing, **sizes):
    scores = score_candidates(model, processing, rows, CANDIDATES, **sizes)
    off = np.abs(scores.nll_nats - naive(model, processing, rows, CANDIDATES)) / scores.num_tokens
    assert off.max() <= 1e-4


def fresh_llava():
    return llava.__wrapped__()


# which way is right for a model


def odd_models():
    """Models that take a packed pass and read it wrongly: distances are counted in the cache, not from positions."""
    size, ends = len(tokenizer()), {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    mpt = {"d_model": 48, "n_heads": 4, "n_layers": 2, "max_seq_len": 512, "expansion_ratio": 2}
    bloom = {"hidden_size": 48, "n_layer": 2, "n_head": 4}
    neo = {"hidden_size": 48, "num_layers": 2, "num_heads": 4, "window_size": 16, "max_position_embeddings": 512}
    kinds = {"attention_types": [[["global", "local"], 1]]}
    return {
        "mpt": lambda: llama(MptForCausalLM, MptConfig(vocab_size=size, **mpt, **ends)),
        "bloom": lambda: llama(BloomForCausalLM, BloomConfig(vocab_size=size, **bloom, **ends)),
        "gpt_neo": lambda: llama(GPTNeoForCausalLM, GPTNeoConfig(vocab_size=size, **neo, **kinds, **ends)),
        "own_mask": lambda: peaked(OwnMask(llama().config), by=3.0),
        "no_masks": lambda: peaked(NoMasks(llama().config), by=3.0),
    }


class OwnMask(LlamaForCausalLM):
    """Sees everything before, whatever mask it is given."""

    def forward(self, attention_mask=None, **named):
        plain = attention_mask is not None and attention_mask.dim() == 2
        return super().forward(attention_mask=attention_mask if plain else None, **named)


class NoMasks(LlamaForCausalLM):
    """Refuses masks that it does not know."""

    def forward(self, attention_mask=None, **named):
        if attention_mask is not None and attention_mask.dim() != 2:
            raise ValueError("Wrong shape for attention_mask")
        return super().forward(attention_mask=attention_mask, **named)


@pytest.mark.parametrize("first", [None, score_answers])
@pytest.mark.parametrize("name", ["mpt", "bloom", "gpt_neo", "own_mask", "no_masks"])
def test_a_model_that_misreads_packed_passes_is_scored_whole(name, first):
    """Also if what it was asked first was a single answer, whose tokens follow each other as in any text."""
    model = odd_models()[name]()
    assert module.can_pack(model)
    if first:
        first(model, tokenizer(), TEXTS[:1])
    assert not module.shares_cache(model, tokenizer(), TEXTS, [[[5, 2]]] * 4)
    assert_as_the_oracle(model, TEXTS, tokenizer(), batch_size=3)


def test_a_prompt_that_sees_ahead_is_noticed(monkeypatch):
    """Where nobody knew of it: a start without the prompt's last token is then another start."""
    family = families()["paligemma"]
    model, given = family.model(), rows(family)[:1]
    monkeypatch.setattr(module, "reads_ahead", lambda config: False)
    assert not module.shares_cache(model, family.processor, given, [[[5, 6]]])
    monkeypatch.undo()
    assert module.shares_cache(family.model(), family.processor, given, [[[5, 6]]])


@pytest.mark.parametrize("tokens", [[9], [9, 9], [5, 9, 5], [9, 8, 7, 2]])
def test_any_continuation_tells(tokens):
    """A single token, a palindrome: the trial branches for all."""
    model = odd_models()["own_mask"]()
    assert not module.shares_cache(model, tokenizer(), TEXTS[:1], [[tokens]])
    assert module.shares_cache(llama(), tokenizer(), TEXTS[:1], [[tokens]])


def test_a_packed_pass_without_its_mask_is_noticed(monkeypatch):
    def blind(visible, dtype):
        return torch.zeros(visible.shape, dtype=dtype)[:, None]

    monkeypatch.setattr(packed, "_additive", blind)
    model = llama()
    assert_as_the_oracle(model, TEXTS, tokenizer())
    assert module._tried[model] == {("False", "sdpa", "torch.float32"): False}


def test_what_was_found_out_is_remembered(caplog):
    """Once for texts and once for pictures; again for another attention; and nothing is said of a model that packs."""
    model, passes = fresh_llava(), []
    model.register_forward_pre_hook(lambda *given: passes.append(1))

    def number_of_passes(rows):
        passes.clear()
        score_candidates(model, processor(), rows, ["Ann", "Ann Lee"])
        return len(passes)

    with caplog.at_level(logging.WARNING):
        trial, alone = 4, 2  # two whole sequences and a packed pass behind its start; a packed pass behind its start
        assert [number_of_passes([text_row(0)]) for _ in range(2)] == [trial + alone, alone]
        assert [number_of_passes([image_row(0)]) for _ in range(2)] == [trial + alone, alone]
        assert number_of_passes([image_row(1), text_row(1)]) == 2 * alone
        model.set_attn_implementation("eager")
        assert [number_of_passes([text_row(0)]) for _ in range(2)] == [trial + alone, alone]
    assert len(module._tried[model]) == 3
    assert all(module._tried[model].values())
    assert not caplog.records


def test_models_are_not_kept_alive():
    model = llama()
    score_candidates(model, tokenizer(), TEXTS[:1], ["Ann", "Bo"])
    gone, known = weakref.ref(model), len(module._tried)
    del model
    gc.collect()
    assert gone() is None
    assert len(module._tried) < known


# want of memory


def short_of_memory(monkeypatch, model, tokens, error=NO_MEMORY):
    """From now on the model takes no more than so many tokens; the tokens of each pass."""
    forward, fed = model.forward, []

    def limited(*given, **named):
        fed.append(named["input_ids"].numel())
        if fed[-1] > tokens:
            raise error
        return forward(*given, **named)

    monkeypatch.setattr(model, "forward", limited)
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda **settings: None)  # it takes long
    return fed


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("sizes", [{}, {"batch_size": 8, "tokens_per_pass": 10_000}])
@pytest.mark.parametrize("tokens", [140, 260])
def test_candidates_with_little_memory(tokens, sizes, packs, monkeypatch):
    """The same scores, none lost and none doubled, and nothing larger is tried again."""
    model, rows = fresh_llava(), mixed_rows(9)
    monkeypatch.setattr(module, "can_pack", lambda model: packs)
    expected = score_candidates(model, processor(), rows, CANDIDATES).nll_nats
    parts, scored = [], module.scored
    noted = "crossmem_hf.scoring.candidates.scored"
    monkeypatch.setattr(noted, lambda *given, **named: parts.extend(scored(*given, **named)) or parts)
    fed = short_of_memory(monkeypatch, model, tokens)
    found = score_candidates(model, processor(), rows, CANDIDATES, **sizes).nll_nats
    assert np.abs(found - expected).max() <= 1e-4
    places = [(part.row, part.first + owner) for part in parts for owner in set(part.owners.tolist())]
    assert sorted(places) == [(row, place) for row in range(9) for place in range(len(CANDIDATES))]
    refused = [size for size in fed if size > tokens]
    assert refused
    assert len(refused) <= 8
    assert len(set(refused)) == len(refused)


@pytest.mark.parametrize("packs", [True, False])
def test_answers_with_little_memory(packs, monkeypatch):
    model = fresh_llava()
    rows = [{**row, "answer": NAMES[number]} for number, row in enumerate(mixed_rows(9))]
    monkeypatch.setattr(module, "can_pack", lambda model: packs)
    expected = score_answers(model, processor(), rows)
    fed = short_of_memory(monkeypatch, model, 140)
    found = score_answers(model, processor(), rows)
    assert max(fed) > 140
    for one, other in zip(found, expected, strict=True):
        for name in ("logprobs", "means", "stds"):
            assert np.abs(getattr(one, name) - getattr(other, name)).max() <= 1e-4


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("work", [score_answers, partial(score_candidates, candidates=CANDIDATES)])
def test_no_memory_at_all(work, known, monkeypatch):
    """Whether the model was tried before or is tried now."""
    model = llama()
    if known:
        score_answers(model, tokenizer(), TEXTS)
    short_of_memory(monkeypatch, model, 0)
    with pytest.raises(CrossmemError, match="Out of memory with a single prompt and a single token"):
        work(model, tokenizer(), TEXTS)


def test_want_of_memory_is_no_verdict(monkeypatch):
    """A trial that fails for want of memory, once, leaves no model in the slow way for good."""
    model, forward, left = llama(), LlamaForCausalLM.forward, [NO_MEMORY]

    def once_short(*given, cache=None, **named):
        if cache is not None and left:
            raise left.pop()
        return forward(model, *given, cache=cache, **named)

    monkeypatch.setattr(model, "forward", once_short)
    assert_as_the_oracle(model, TEXTS, tokenizer())
    assert not left
    assert list(module._tried[model].values()) == [True]


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_other_errors_are_raised_as_they_are(known, packs, monkeypatch):
    model, error = llama(), RuntimeError("shapes cannot be multiplied")
    if known:
        score_answers(model, tokenizer(), TEXTS)
    monkeypatch.setattr(module, "can_pack", lambda model: packs)
    fed = short_of_memory(monkeypatch, model, 0, error)
    with pytest.raises(RuntimeError) as caught:
        score_candidates(model, tokenizer(), TEXTS, CANDIDATES)
    assert caught.value is error
    assert len(fed) == 1


# budgets


@pytest.mark.parametrize("tokens_per_pass", [1, 60, 250, "auto"])
def test_passes_keep_their_budget(tokens_per_pass):
    """Tokens fed and positions of the head: as many as fit, or one prompt or sequence behind each start."""
    model, rows, seen = llava(), mixed_rows(9), []
    score_candidates(model, processor(), rows[:2], CANDIDATES[:2])

    def note(module, given, named, out):
        seen.append((named["input_ids"].shape, out.logits.shape))

    handle = model.register_forward_hook(note, with_kwargs=True)
    scores = score_candidates(model, processor(), rows, CANDIDATES, tokens_per_pass=tokens_per_pass)
    handle.remove()
    most, longest = 4096 if tokens_per_pass == "auto" else tokens_per_pass, scores.num_tokens.max() - 1
    for (prompts, length), (_, heads, _) in seen:
        start = heads == 1 < length
        assert prompts * length <= most or (prompts == 1 if start else length <= longest)
    assert len(seen) == 4 or tokens_per_pass != "auto"


# candidates of all kinds


def test_ten_thousand_candidates():
    """Of few tokens and of hundreds; and fifty of them against the oracle."""
    model, row = llama(), text_row(0)
    candidates = [" ".join([str(number), *[NAMES[number % 12]] * (number % 2000 // 1990)]) for number in range(10_000)]
    candidates[5000:5010] = [" ".join([name] * 12) for name in NAMES[:10]]
    scores = score_candidates(model, tokenizer(), [row], candidates)
    assert np.isfinite(scores.nll_nats).all()
    assert scores.num_tokens.max() > 20 * scores.num_tokens.min()
    chosen = [*range(0, 10_000, 199), 1995, 5003, 5009]
    expected = naive(model, tokenizer(), [row], [candidates[number] for number in chosen])[0]
    assert (np.abs(scores.nll_nats[0, chosen] - expected) / scores.num_tokens[0, chosen]).max() <= 1e-4


@pytest.mark.parametrize("candidates", [
    ["Ann"], ["x", "y"], ["Ann", "Ann Lee", "Ann Lee Kim"], ["a" * 1200, "a" * 1199],
])  # fmt: skip
def test_few_candidates(candidates):
    """One; single tokens; starts of others; longer than a tree's room."""
    config = llama().config
    config.max_position_embeddings = 4096
    model, rows = llama(config=config), TEXTS[:2]
    scores = score_candidates(model, tokenizer(), rows, candidates)
    expected = naive(model, tokenizer(), rows, candidates)
    assert (np.abs(scores.nll_nats - expected) / scores.num_tokens).max() <= 1e-4


def test_a_row_without_an_answer_has_no_truth():
    rows = [{**text_row(0), "answer": answer} for answer in ("Ann", None, "")] + [text_row(0)]
    scores = score_candidates(llama(), tokenizer(), rows, ["None", "Ann"])
    assert scores.truth_index.tolist() == [1, -1, -1, -1]
    assert np.isnan(scores.truth_rank[1:]).all()


# measures


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_measures_against_float64(dtype):
    logits = (5 * torch.randn(7, 50)).to(dtype)
    nodes, tokens = torch.tensor([0, 3, 3, 6, 1]), torch.tensor([1, 2, 49, 0, 7])
    tokens[-1] = logits[1].argmax()
    exact = logits.double().numpy()[nodes.numpy()]
    every = exact - np.log(np.exp(exact).sum(1, keepdims=True))
    chances = np.exp(every)
    mean = (chances * every).sum(1)
    std = np.sqrt((chances * (every - mean[:, None]) ** 2).sum(1))
    own = every[range(5), tokens.numpy()]
    assert np.allclose(module.logprobs(logits, nodes, tokens)[:, 0], own, atol=1e-5)
    assert np.allclose(module.details(logits, nodes, tokens).T[:3], [own, mean, std], atol=1e-4)
    assert module.details(logits, nodes, tokens)[:, 3].tolist() == (exact.argmax(1) == tokens.numpy()).tolist()


@pytest.mark.parametrize("never", [-torch.inf, torch.finfo(torch.float32).min, -1e20])
def test_tokens_that_a_model_rules_out(never):
    """They have no part in means and standard deviations, where 0 times infinity would be."""
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    barred = torch.cat([logits, torch.full((1, 2), never)], dim=1)
    places = torch.tensor([0]), torch.tensor([1])
    assert torch.equal(module.details(barred, *places), module.details(logits, *places))
