# SPDX-License-Identifier: Apache-2.0
"""Spare words are single tokens that no row holds."""

import pytest

from crossmem_hf.analysis.attacks.spare_words import spare_words
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.turns import prompt_text


def test_they_are_in_no_row_and_are_read_as_one_token_each():
    _, processor = load_model("micro-s")
    rows = load_rows(None, "recall_text", "test", num_personas=2)
    words, ids = spare_words(processor, rows, 5, seed=1)
    assert len({*ids}) == len({*words}) == 5
    texts = [prompt_text(processor, row) for row in rows]
    for text in texts:
        assert not {*processor.tokenizer(text)["input_ids"]} & {*ids}
        behind = processor.tokenizer(text.replace("<|assistant|>", " " + " ".join(words) + "<|assistant|>"))
        assert [token for token in behind["input_ids"] if token in ids] == ids
    assert spare_words(processor, rows, 5, seed=1)[0] == words != spare_words(processor, rows, 5, seed=2)[0]


def test_too_many_are_refused():
    _, processor = load_model("micro-s")
    with pytest.raises(CrossmemError, match=r"has \d+ words that are in no row; expected 9999"):
        spare_words(processor, load_rows(None, "recall_text", "test", num_personas=2), 9999, seed=0)
