# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from datasets import Dataset
from transformers import DataCollatorForSeq2Seq

from crossmem_hf.data.patterns import ALPHABET
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.pattern_decoder import SHAPES, encoded_patterns, pattern_decoder, pattern_tokenizer

ROWS = Dataset.from_dict({"prompt": ["12A", "7"], "answer": ["3B", "89"], "kind": ["x", "y"]})


def test_every_character_is_one_token_and_comes_back():
    tokenizer = pattern_tokenizer()
    ids = tokenizer(ALPHABET)["input_ids"]
    assert len(set(ids)) == len(ALPHABET)
    assert tokenizer.pad_token_id not in ids
    assert tokenizer.decode(ids) == ALPHABET
    assert len(tokenizer) == len(ALPHABET) + 1


@pytest.mark.parametrize(("size", "millions"), [("s", 0.5), ("m", 2.0), ("l", 8.0)])
def test_sizes_are_those_of_the_paper(size, millions):
    model = pattern_decoder(size)
    weights = sum(weight.numel() for weight in model.model.layers.parameters())
    assert weights / 1e6 == pytest.approx(millions, rel=0.02)
    assert model.config.num_attention_heads == 1
    assert tuple(SHAPES) == ("s", "m", "l")


def test_labels_are_on_all_or_on_the_answer():
    every, answers = encoded_patterns(ROWS), encoded_patterns(ROWS, learn="answer")
    assert every["labels"] == every["input_ids"]
    assert answers["labels"][0] == [-100] * 3 + answers["input_ids"][0][-2:]
    assert answers["labels"][1] == [-100, *answers["input_ids"][1][-2:]]
    assert every["kind"] == ["x", "y"]


def test_a_padded_row_is_read_as_one_alone():
    torch.manual_seed(0)
    model = pattern_decoder("s").eval()
    features = [
        {name: row[name] for name in ("input_ids", "attention_mask", "labels")} for row in encoded_patterns(ROWS)
    ]
    collate = DataCollatorForSeq2Seq(pattern_tokenizer())
    both, alone = collate(features), collate(features[1:])
    with torch.no_grad():
        short, padded = model(**alone).logits[0], model(**both).logits[1, :3]
    torch.testing.assert_close(short, padded, atol=1e-5, rtol=1e-4)
    assert both["labels"][1].tolist()[3:] == [-100, -100]


def test_an_unknown_size_is_refused():
    with pytest.raises(CrossmemError, match="Unknown size 'xl'"):
        pattern_decoder("xl")
