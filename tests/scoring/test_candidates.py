# SPDX-License-Identifier: Apache-2.0
"""Candidate scores equal the plain forward pass of each pair, whatever is shared, packed, padded or permuted."""

import logging

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    JambaConfig,
    JambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.rows import recall_row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.turns import answer_tokens
from crossmem_hf.scoring import continuations as module
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.seeding import rng_for
from crossmem_hf.training.collate import RowEncoder
from tests.scoring.tiny import (
    CANDIDATES,
    NAMES,
    PERSONAS,
    image_row,
    llama,
    llava,
    mixed_rows,
    naive,
    processor,
    text_config,
    text_row,
    tokenizer,
)

CLOSE = 1e-4  # nats a token


def assert_equal_scores(scores, expected):
    """Within 1e-4 nats a token of the oracle, on scores that differ enough for that to mean something."""
    assert scores.nll_nats.shape == expected.shape
    worst = np.abs(scores.nll_per_token - expected / scores.num_tokens).max()
    assert worst <= CLOSE, worst
    per_token = expected / scores.num_tokens
    assert per_token.max() - per_token.min() > 1.0
    assert (per_token.max(0) - per_token.min(0)).min() > 0.01  # rows mixed up would be seen


@pytest.fixture(scope="module")
def expected():
    """The oracle's scores of ten mixed rows on the LLaVA."""
    return naive(llava(), processor(), mixed_rows(), CANDIDATES)


# equal to the oracle


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("batch_size", [1, 8, 32])
def test_equals_the_oracle(expected, attention, batch_size):
    scores = score_candidates(llava(attention), processor(), mixed_rows(), CANDIDATES, batch_size=batch_size)
    assert_equal_scores(scores, expected)


@pytest.mark.parametrize("tokens_per_pass", [1, 7, 25])
def test_chunks_change_nothing(expected, tokens_per_pass):
    scores = score_candidates(llava(), processor(), mixed_rows(), CANDIDATES, tokens_per_pass=tokens_per_pass)
    assert_equal_scores(scores, expected)


def test_whole_sequences_score_the_same(expected, monkeypatch):
    monkeypatch.setattr(module, "can_pack", lambda model: False)
    assert_equal_scores(score_candidates(llava(), processor(), mixed_rows(), CANDIDATES, batch_size=4), expected)


@pytest.mark.parametrize("number", range(3))
def test_order_changes_nothing(expected, number):
    """Rows and candidates in another order: the same scores, in that order."""
    rng = rng_for(number, "order")
    rows = rng.sample(range(10), 10)
    columns = rng.sample(range(len(CANDIDATES)), len(CANDIDATES))
    given = mixed_rows()
    scores = score_candidates(
        llava(), processor(), [given[row] for row in rows], [CANDIDATES[column] for column in columns], batch_size=4
    )
    assert_equal_scores(scores, expected[np.ix_(rows, columns)])


def test_a_candidate_is_scored_as_if_alone(expected):
    for column in (0, 7, 9):
        scores = score_candidates(llava(), processor(), mixed_rows(4), [CANDIDATES[column]])
        assert np.abs(scores.nll_nats[:, 0] - expected[:4, column]).max() <= CLOSE * scores.num_tokens[0, 0]


def test_with_an_adapter():
    torch.manual_seed(1)
    model = get_peft_model(
        build_fresh(), LoraConfig(r=4, target_modules=r".*language_model.*\.(q_proj|v_proj|up_proj)")
    ).eval()
    without = score_candidates(model, processor(), mixed_rows(4), CANDIDATES).nll_nats
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    with_it = score_candidates(model, processor(), mixed_rows(4), CANDIDATES)
    assert np.abs(with_it.nll_nats - without).max() > 0.1
    assert_equal_scores(with_it, naive(model, processor(), mixed_rows(4), CANDIDATES))
    with model.disable_adapter():
        off = score_candidates(model, processor(), mixed_rows(4), CANDIDATES)
    assert np.allclose(off.nll_nats, without)


def build_fresh():
    return llava.__wrapped__()


# text-only models


def text_models():
    """Attention of every kind that has to be told apart, and whether it can share a cache."""
    qwen = text_config(Qwen3Config, num_key_value_heads=2, head_dim=12)
    window = {"num_key_value_heads": 2, "sliding_window": 24}  # shorter than the prompts
    mixed = ["sliding_attention", "full_attention", "sliding_attention"]
    gemma = text_config(Gemma3TextConfig, head_dim=12, layer_types=mixed, **window)
    mistral = text_config(MistralConfig, **window)
    gpt = GPT2Config(vocab_size=len(tokenizer()), n_embd=48, n_layer=2, n_head=4, n_positions=512)
    return {
        "llama": (llama, True),
        "llama_eager": (lambda: eager(llama()), True),
        "qwen3": (lambda: llama(Qwen3ForCausalLM, qwen), True),
        "gpt2": (lambda: llama(GPT2LMHeadModel, gpt), True),
        "mistral_window": (lambda: llama(MistralForCausalLM, mistral), True),
        "gemma3_hybrid": (lambda: llama(Gemma3ForCausalLM, gemma), True),
    }


def eager(model):
    model.set_attn_implementation("eager")
    return model


@pytest.mark.parametrize("name", text_models())
def test_text_only_models(name):
    """A plain tokenizer with a template of its own; absolute, rotary, windowed and mixed attention."""
    build, packs = text_models()[name]
    model = build()
    rows = [text_row(number) for number in range(5)]
    assert module.shares_cache(model, tokenizer(), rows, [[[5, 6, 7]]] * 5) == packs
    for batch_size in (1, 3):
        scores = score_candidates(model, tokenizer(), rows, CANDIDATES, batch_size=batch_size)
        assert_equal_scores(scores, naive(model, tokenizer(), rows, CANDIDATES))


def jamba():
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
    mixture = {"num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False}
    sizes["num_key_value_heads"] = 2
    ends = {"pad_token_id": tokenizer().pad_token_id, "eos_token_id": tokenizer().eos_token_id}
    return llama(JambaForCausalLM, JambaConfig(vocab_size=len(tokenizer()), **sizes, **mixture, **ends))


def test_recurrent_models_are_scored_whole():
    model = jamba()
    assert not module.can_pack(model)
    rows = [text_row(number) for number in range(3)]
    assert_equal_scores(
        score_candidates(model, tokenizer(), rows, CANDIDATES), naive(model, tokenizer(), rows, CANDIDATES)
    )


def test_the_fallback_is_said_once(caplog):
    model = jamba()
    module._say_whole.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            score_candidates(model, tokenizer(), [text_row(0)], ["Ann", "Bo"])
    said = [record.message for record in caplog.records if record.name == module.__name__]
    assert said == ["JambaForCausalLM cannot share a cache between candidates; scoring whole sequences."]


def test_packing_says_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        score_candidates(llava(), processor(), [text_row(0)], ["Ann", "Bo"])
    assert not caplog.records


# what is scored


def test_the_tokens_are_those_that_training_sees():
    """The answer is cut into tokens as the trainer cuts completions, end of turn included."""
    row = recall_row(PERSONAS[0], "text", "test", 0)
    for candidate in CANDIDATES:
        labels = RowEncoder(processor()).encode(
            {**row, "completion": [{"role": "assistant", "content": candidate}]}
        )["labels"]  # fmt: skip
        trained = labels[labels != -100].tolist()
        assert answer_tokens(processor(), row, [candidate]) == ([trained], [1])
        assert trained[-1] == processor().tokenizer.eos_token_id


def test_means_and_counts():
    scores = score_candidates(llava(), processor(), mixed_rows(2), ["Ann", "Ann Lee Kim"])
    spelled = [len(processor().tokenizer(f"{text}<eos>")["input_ids"]) for text in ("Ann", "Ann Lee Kim")]
    assert scores.num_tokens.tolist() == [spelled] * 2
    assert np.allclose(scores.nll_per_token * spelled, scores.nll_nats)
    assert (scores.nll_nats > 0).all()


def test_probabilities_of_all_next_tokens_sum_to_one():
    """Single-token answers and the end of turn: the first step alone is a distribution over the vocabulary."""
    model, tokens = llava(), processor().tokenizer
    singles = {tokens.decode([index]): index for index in range(7, len(tokens))}
    answers = [text for text, index in singles.items() if text.strip() and tokens.encode(text) == [index]]
    scores = score_candidates(model, processor(), [image_row(0)], answers)
    assert len(answers) > 150
    assert 0 < np.exp(-scores.nll_nats).sum() <= 1


def test_a_dataset_of_rows():
    rows = Dataset.from_list(
        [recall_row(person, "image", "test", 0, 48) for person in PERSONAS[:3]], features=features_of("recall_image")
    )
    plain = [image_row(number) for number in range(3)]
    expected = score_candidates(llava(), processor(), plain, NAMES[:3]).nll_nats
    assert np.array_equal(score_candidates(llava(), processor(), rows, NAMES[:3]).nll_nats, expected)


def test_rows_without_pictures_may_say_none():
    rows = [text_row(0), {**text_row(0), "images": None}]
    scores = score_candidates(llava(), processor(), rows, NAMES[:3]).nll_nats
    assert np.allclose(scores[0], scores[1])


# what is left behind


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_given_back_as_it_was(training):
    model = build_fresh().train(training)
    model.model.vision_tower.eval()  # a frozen tower inside a model in training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    score_candidates(model, processor(), mixed_rows(2), NAMES[:2])
    assert model.training == training
    assert not model.model.vision_tower.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_error_leaves_the_model_as_it_was(monkeypatch):
    model = build_fresh().train()
    monkeypatch.setattr(model, "forward", lambda **inputs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        score_candidates(model, processor(), mixed_rows(2), NAMES[:2])
    assert model.training


# bad input


@pytest.mark.parametrize(("rows", "candidates", "said"), [
    ([], ["Ann"], "There are no rows to ask"),
    ([text_row(0), {"prompt": []}], ["Ann"], r"Row 1 has no column \['images'\]; it has \['prompt'\]"),
    ([{"images": []}], ["Ann"], r"Row 0 has no column \['prompt'\]"),
    ([text_row(0)], [], "There are no candidates"),
    ([text_row(0)], ["Ann", "  "], "Candidate 1 is blank"),
    ([text_row(0)], ["Ann", "Bo", "Ann"], "Candidate 'Ann' occurs twice"),
    ([text_row(0)], ["Jos\u00e9", "Bo", "Jose\u0301"], "Candidate 'Jos\u00e9' occurs twice"),
    ([text_row(0)], None, "The candidates are None; expected a list"),
    ([text_row(0)], 5, "The candidates are 5; expected a list"),
    ([text_row(0)], [5], "A candidate is 5; expected a text"),
    ([text_row(0)], ["Ann", None], "A candidate is None; expected a text"),
    ([text_row(0)], [["Ann", 5]], "A candidate is 5; expected a text"),
    ([text_row(0)], ["<image> sneaky", "Ann"], "'<image> sneaky' holds the special token '<image>'"),
    ([text_row(0)], ["Ann", "Bo<eos>"], "'Bo<eos>' holds the special token '<eos>'"),
    ([text_row(0)], "Ann", "one string, 'Ann'; expected a list"),
])  # fmt: skip
def test_bad_input(rows, candidates, said):
    with pytest.raises(CrossmemError, match=said):
        score_candidates(llava(), processor(), rows, candidates)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_holds_something(batch_size):
    with pytest.raises(CrossmemError, match=f"batch_size={batch_size}; expected a whole number, at least 1"):
        score_candidates(llava(), processor(), [text_row(0)], ["Ann"], batch_size=batch_size)


def test_pictures_for_a_blind_model():
    with pytest.raises(CrossmemError, match=r"Row 1 has 1 image\(s\), but LlamaForCausalLM has no image tower"):
        score_candidates(llama(), tokenizer(), [text_row(0), image_row(1)], ["Ann"])


def test_a_template_that_rewrites_the_prompt():
    odd = tokenizer().__class__(tokenizer_object=tokenizer().backend_tokenizer, pad_token="<pad>", eos_token="<eos>")
    odd.chat_template = "{{ messages | length }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    with pytest.raises(CrossmemError, match="writes a different prompt once an answer follows"):
        score_candidates(llama(), odd, [text_row(0)], ["Ann"])


def test_candidates_that_the_template_writes_alike():
    trims = tokenizer().__class__(tokenizer_object=tokenizer().backend_tokenizer, pad_token="<pad>", eos_token="<eos>")
    trims.chat_template = tokenizer().chat_template.replace("['content']", "['content'].strip()")
    with pytest.raises(CrossmemError, match="Candidates 'Ann' and ' Ann' are the same tokens to this model"):
        score_candidates(llama(), trims, [text_row(0)], ["Bo", "Ann", " Ann"])
    assert score_candidates(llama(), tokenizer(), [text_row(0)], ["Bo", "Ann", " Ann"]).num_tokens.all()
