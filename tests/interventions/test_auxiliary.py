# SPDX-License-Identifier: Apache-2.0
"""The auxiliary's cached logits are those of a plain forward pass over each text, whatever came before."""

import random

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from crossmem_hf.interventions.auxiliary import Auxiliary, WithoutAdapter
from tests.training import tiny

WIDTHS = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}


def llama(**settings):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**WIDTHS, num_attention_heads=2, **settings)).eval()


def gpt2():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=64)).eval()


def mistral():
    torch.manual_seed(0)
    config = MistralConfig(**WIDTHS, num_attention_heads=2, num_key_value_heads=1, sliding_window=4)
    return MistralForCausalLM(config).eval()


def plain(model, texts):
    """One pass a text, alone."""
    with torch.no_grad():
        return torch.stack([model(torch.tensor([text])).logits[0, -1] for text in texts])


def same(found, model, texts):
    torch.testing.assert_close(found, plain(model, texts), atol=1e-5, rtol=1e-4)


class Counted:
    """How many tokens a row the auxiliary read; the oracle's passes do not count."""

    def __init__(self, model):
        self.read = 0
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _module, _inputs, given):
        self.read += given["input_ids"].shape[1] if given else 0


@pytest.mark.parametrize("make", [llama, gpt2, mistral])
def test_texts_that_grow_are_read_on(make):
    model = make()
    counted, auxiliary = Counted(model), Auxiliary(model, empty=1)
    texts = [[3, 4, 5], [6], [7, 8, 9, 10, 11, 12, 13]]
    for step in range(5):
        counted.read = 0
        found = auxiliary.logits(texts)
        assert counted.read == (1 if step and make is not mistral else len(texts[2])), "a window is read as a whole"
        same(found, model, texts)
        texts = [[*text, 20 + step] for text in texts]


def test_beams_change_places():
    model, rng = llama(), random.Random(0)
    counted, auxiliary = Counted(model), Auxiliary(model, empty=1)
    beams = [[3, 4, 5]] * 2 + [[6, 7]] * 2
    for _ in range(6):
        counted.read = 0
        same(auxiliary.logits(beams), model, beams)
        assert counted.read in (1, 3)
        chosen = [rng.choice((0, 1)), rng.choice((0, 1)), rng.choice((2, 3)), rng.choice((2, 3))]
        beams = [[*beams[row], rng.randrange(50)] for row in chosen]


def test_rows_that_ended_stay_while_others_grow():
    model = llama()
    auxiliary = Auxiliary(model, empty=1)
    for texts in ([[3, 4], [5]], [[3, 4], [5, 6]], [[3, 4], [5, 6, 7]], [[3, 4], [5, 6, 7]]):
        same(auxiliary.logits(texts), model, texts)


@pytest.mark.parametrize(
    "texts", [[[9, 8, 7]], [[3, 4, 5]], [[3, 4]], [[3, 4, 5, 6, 7, 8]], [[1, 4, 5, 6]], [[2], [3]]]
)
def test_other_texts_are_read_afresh_to_the_bit(texts):
    model = llama()
    auxiliary = Auxiliary(model, empty=1)
    auxiliary.logits([[3, 4, 5]])
    auxiliary.logits([[3, 4, 5, 6]])
    assert torch.equal(auxiliary.logits(texts), Auxiliary(model, empty=1).logits(texts))


def test_ends_that_are_encoded_anew_are_read_again():
    model = llama()
    counted, auxiliary = Counted(model), Auxiliary(model, empty=1, reread=3)
    start = list(range(2, 30))
    for tail in ([40], [40, 41], [42], [42, 43, 44], [45, 46], [45, 46], [45], [47, 48, 49, 40]):
        counted.read = 0
        same(auxiliary.logits([[*start, *tail], start]), model, [[*start, *tail], start])
        assert counted.read in (29, 0, 1, 2, 3, 4)
    assert counted.read == 4


def test_nothing_to_read_is_the_token_that_begins():
    model = llama()
    same(Auxiliary(model, empty=1).logits([[], [4, 5]]), model, [[1], [4, 5]])


def test_texts_longer_than_the_positions_keep_their_end():
    model = llama(max_position_embeddings=8)
    auxiliary, text = Auxiliary(model, empty=1), list(range(2, 9))
    for token in range(10, 30):
        text = [*text, token]
        found = auxiliary.logits([text])
        ends = [text[-length:] for length in range(5, 9)]
        assert any(torch.allclose(found, plain(model, [end]), atol=1e-5) for end in ends)


def test_a_model_without_its_adapter_is_its_base():
    adapted = tiny.memorized()
    frozen = next(weight for name, weight in adapted.named_parameters() if "lora_A" in name)
    frozen.requires_grad_(False)
    before = {name: weight.requires_grad for name, weight in adapted.named_parameters()}
    texts = [[3, 4, 5], [6]]
    found = Auxiliary(WithoutAdapter(adapted), empty=1).logits(texts)
    with adapted.disable_adapter():
        same(found, adapted.eval(), texts)
    for name, weight in adapted.named_parameters():
        weight.requires_grad_(before[name])
    Auxiliary(WithoutAdapter(adapted), empty=1).logits(texts)
    assert {name: weight.requires_grad for name, weight in adapted.named_parameters()} == before
    assert not torch.allclose(found, plain(adapted, texts), atol=1e-3)
