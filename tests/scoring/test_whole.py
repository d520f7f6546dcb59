# SPDX-License-Identifier: Apache-2.0
"""Whole sequences in batches: every token's value is that of its sequence alone, and prompts need no logits."""

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, MistralConfig, MistralForCausalLM, MptConfig, MptForCausalLM

from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.continuations import logprobs
from crossmem_hf.scoring.inputs import encode
from crossmem_hf.scoring.prefill import PromptQueue
from crossmem_hf.scoring.whole import whole
from tests.scoring.tiny import image_row, llama, llava, processor, text_config, text_row, tokenizer

SEVERAL = [[5, 6, 7], [5], [9, 8, 7, 6, 5, 2]]
CONTINUATIONS = [SEVERAL, [[11, 2]], SEVERAL[:2], [[7] * 20, [8, 2]]]  # rows have unequal numbers of them


def window():
    return llama(MistralForCausalLM, text_config(MistralConfig, num_key_value_heads=2, sliding_window=12))


def alibi():
    """Positions are distances here, and no position ids are taken."""
    sizes = {"d_model": 48, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 512}
    return llama(MptForCausalLM, MptConfig(vocab_size=len(tokenizer()), **sizes))


class KeepsAll(LlamaForCausalLM):
    """Gives the logits of the prompt too, as models do that know no `logits_to_keep`."""

    def forward(self, logits_to_keep=0, **named):
        return super().forward(**named)


def cases():
    texts = [text_row(number, number % 3) for number in range(4)]
    pictures = [
        image_row(0),
        {**image_row(1), "prompt": [{"role": "user", "content": "Who?"}]},
        *map(image_row, (2, 3)),
    ]
    return {
        "texts": (llama, tokenizer(), texts),
        "window": (window, tokenizer(), texts),
        "alibi": (alibi, tokenizer(), texts),
        "keeps_all": (lambda: llama(KeepsAll), tokenizer(), texts),
        "pictures": (llava, processor(), pictures),
    }


def found_by(model, processing, rows, batch_size, continuations=CONTINUATIONS):
    queue = PromptQueue(processing, rows, share=False, device="cpu")
    found = {}
    while queue:
        with torch.inference_mode():
            for part in whole(model, queue.take(batch_size), continuations, logprobs):
                assert (part.row, part.first) not in found
                assert part.owners.tolist() == [0] * len(part.values)
                found[part.row, part.first] = part.values[:, 0]
    return found


def in_full(model, processing, row, tokens):
    """(tokens,) float64 log-probabilities from one plain pass over one prompt and its tokens."""
    inputs = encode(processing, [prompt_text(processing, row)], [row["images"]])
    given = {"input_ids": torch.cat([inputs["input_ids"], torch.tensor([tokens])], dim=1)}
    given |= {name: inputs[name] for name in {"pixel_values"} & set(inputs)}
    with torch.no_grad():
        logits = model(**given, use_cache=False).logits[0, -len(tokens) - 1 : -1].double()
    return torch.log_softmax(logits, -1)[range(len(tokens)), tokens].numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 4])
@pytest.mark.parametrize("name", ["texts", "window", "alibi", "keeps_all", "pictures"])
def test_every_token_is_as_in_a_plain_pass(name, batch_size):
    build, processing, rows = cases()[name]
    model = build()
    found = found_by(model, processing, rows, batch_size)
    assert sorted(found) == [(row, at) for row, several in enumerate(CONTINUATIONS) for at in range(len(several))]
    for (row, number), values in found.items():
        expected = in_full(model, processing, rows[row], CONTINUATIONS[row][number])
        assert values.shape == expected.shape
        assert np.abs(values - expected).max() <= 1e-4


def test_prompts_need_no_logits():
    """As many positions of the head as the longest continuation has tokens, and one."""
    model, rows, seen = llama(), [text_row(number) for number in range(4)], []
    handle = model.lm_head.register_forward_pre_hook(lambda module, given: seen.append(tuple(given[0].shape[:2])))
    found_by(model, tokenizer(), rows, 4)
    handle.remove()
    longest = [max(len(several[min(at, len(several) - 1)]) for several in CONTINUATIONS) for at in range(3)]
    assert seen == [(4, length + 1) for length in longest] == [(4, 21), (4, 3), (4, 7)]


def test_the_measure_sees_each_place_once():
    """One place a token, in order; the logits of continuations only."""
    seen = []

    def measure(logits, nodes, tokens):
        seen.append((logits.shape[0], nodes.tolist(), tokens.tolist()))
        return logits[nodes, tokens][:, None]

    batch = PromptQueue(tokenizer(), [text_row(0), text_row(1)], share=False, device="cpu").take(2)
    rows = [group.rows[0] for group in batch.groups]
    with torch.inference_mode():
        list(whole(llama(), batch, [[[5, 6]], [[7, 8, 9]]], measure))
    tokens = {0: [5, 6], 1: [7, 8, 9]}
    assert seen == [(3, list(range(len(tokens[row]))), tokens[row]) for row in rows]
