# SPDX-License-Identifier: Apache-2.0
"""Rows of a batch for a model with cross-attention are what they are alone; that they are not by themselves is why."""

import pytest
import torch
from peft import get_peft_model

from crossmem_hf.models.cross_attention import keep_rows_apart, rows_apart
from crossmem_hf.training.collate import RowEncoder, merge_batches
from crossmem_hf.training.memorize import language_lora
from tests.scoring.families import families, few_rows, model_of


def batches():
    """Each row alone: one picture, texts, a wide picture, two pictures."""
    encoder = RowEncoder(families()["mllama"].processor)
    return [encoder.encode(row) for row in few_rows(families()["mllama"])]


def last_logits(model, several):
    """(rows, V) logits behind the last token of each row, padding apart."""
    batch = merge_batches(several, pad_token_id=0)
    ends = batch["attention_mask"].sum(1) - 1
    batch.pop("labels")
    with torch.no_grad():
        return model(**batch).logits[torch.arange(len(ends)), ends]


def test_a_row_in_a_batch_is_what_it_is_alone():
    model = model_of("mllama")
    alone = torch.cat([last_logits(model, [batch]) for batch in batches()])
    with rows_apart(model):
        assert (last_logits(model, batches()) - alone).abs().max() <= 1e-4
    wrong = (last_logits(model, batches()) - alone).abs().amax(1)
    shown = [bool(row["images"]) for row in few_rows(families()["mllama"])]
    assert len(set(shown)) == 2
    assert min(wrong[index] for index, one in enumerate(shown) if not one) > 0.1  # texts looked at padding
    assert max(wrong[index] for index, one in enumerate(shown) if one) > 0.1  # pictures at that of other rows


def test_a_batch_of_one_row_is_not_touched():
    model = model_of("mllama")
    for batch in batches():
        before = last_logits(model, [batch])
        with rows_apart(model):
            assert torch.equal(last_logits(model, [batch]), before)


def test_it_is_taken_back_and_not_put_on_twice():
    model = model_of("mllama")
    plain = last_logits(model, batches())
    with rows_apart(model), rows_apart(model):
        assert not torch.equal(last_logits(model, batches()), plain)
    assert torch.equal(last_logits(model, batches()), plain)
    with rows_apart(model):
        assert not torch.equal(last_logits(model, batches()), plain)
    assert keep_rows_apart(model_of("llava_clip")) == []


@pytest.mark.parametrize("checkpointing", [False, True])
def test_with_an_adapter_and_recomputed_activations(checkpointing):
    model = get_peft_model(families()["mllama"].model(), language_lora(r=2))
    assert keep_rows_apart(model)
    assert keep_rows_apart(model) == []
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.train()
    alone = torch.cat([last_logits(model, [batch]) for batch in batches()])
    assert (last_logits(model, batches()) - alone).abs().max() <= 1e-4
