# SPDX-License-Identifier: Apache-2.0
import torch

from tests.conformance.faults import broken


def test_attention_that_ignores_padding_is_found():
    def blind(forward, attention_mask=None, **named):
        plain = attention_mask is not None and attention_mask.dim() == 2
        return forward(attention_mask=torch.ones_like(attention_mask) if plain else attention_mask, **named)

    assert broken(blind, "padded batches", "likelihoods") == {"padded batches"}


def test_a_cache_that_answers_stale_is_found():
    """The start of the row before answers for every start of the same length."""
    kept = {}

    def stale(forward, cache=None, pixel_values=None, input_ids=None, **named):
        key = pixel_values is not None and input_ids.shape
        if cache is not None and key and key in kept:
            pixel_values = kept[key]
        elif cache is not None and key:
            kept[key] = pixel_values
        return forward(cache=cache, pixel_values=pixel_values, input_ids=input_ids, **named)

    assert "likelihoods" in broken(stale, "end of turn", "likelihoods")


def test_a_model_that_remembers_is_found():
    calls = []

    def tired(forward, **named):
        calls.append(1)
        out = forward(**named)
        out.logits = out.logits * (1 + 0.01 * len(calls))
        return out

    assert broken(tired, "no memory", "likelihoods") == {"no memory", "likelihoods"}


def test_answers_that_are_not_the_likeliest_are_found():
    def contrary(forward, cache=None, **named):
        out = forward(cache=cache, **named)
        single = cache is not None and out.logits.shape[1] == 1
        out.logits = -out.logits if single and named["input_ids"].shape[1] == 1 else out.logits
        return out

    assert broken(contrary, "generation") == {"generation"}
