# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import torch

from crossmem_hf.training.callbacks.recognized import RecognizedRows, token_keys

ROWS = [[1, 2], [3, 4, 5], [1, 2], [6]]


def batch(*rows, left=False):
    """Padded with zeros that the mask leaves out."""
    longest = max(map(len, rows))
    padded = [[*[0] * (longest - len(row)), *row] if left else [*row, *[0] * (longest - len(row))] for row in rows]
    mask = [[int(bool(token)) for token in row] for row in padded]
    return {"input_ids": torch.tensor(padded), "attention_mask": torch.tensor(mask)}


class Reads(torch.nn.Module):
    def forward(self, input_ids=None, attention_mask=None, pixel_values=None):
        return None


def watched(**before):
    model, rows = Reads(), RecognizedRows(token_keys(batch(*ROWS)), **before)
    rows.watch(model)
    return model, rows


def test_keys_know_tokens_and_not_padding():
    keys = token_keys(batch(*ROWS))
    assert keys == token_keys(batch(*ROWS, left=True)) == [token_keys(batch(row))[0] for row in ROWS]
    assert len(set(keys)) == 3
    assert token_keys({"input_ids": torch.tensor([[1, 2]])}) == keys[:1]
    assert token_keys({"input_ids": torch.tensor([[1, 2]], dtype=torch.int32)}) == keys[:1]


def test_rows_are_recognized_unless_two_are_alike():
    model, rows = watched()
    assert np.isnan(rows.taken()).all(), "before anything is recognized, nothing is known"
    model(**batch([9, 9], [3, 4, 5], left=True))
    model(**batch([1, 2]))
    np.testing.assert_array_equal(rows.taken(), [math.nan, 1, math.nan, 0])
    np.testing.assert_array_equal(rows.taken(), [math.nan, 0, math.nan, 0])


def test_only_training_counts_and_only_while_watched():
    model, rows = watched()
    model(pixel_values=torch.zeros(1))
    model.eval()(**batch([6]))
    assert rows.so_far() == ([], False)
    model.train()(**batch([6]))
    assert rows.so_far() == ([3], True)
    rows.leave()
    model(**batch([3, 4, 5]))
    assert rows.so_far() == ([3], True)
    rows.leave()


def test_what_was_seen_before_is_gone_on_with():
    _, rows = watched(seen=[1], recognized=True)
    np.testing.assert_array_equal(rows.taken(), [math.nan, 1, math.nan, 0])
