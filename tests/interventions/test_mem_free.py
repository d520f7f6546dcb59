# SPDX-License-Identifier: Apache-2.0
"""MemFree: what is generated holds no n-gram of the texts, and all else is as it was."""

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.interventions.mem_free import MemFreeLogitsProcessor, mem_free
from tests.training import knowing, tiny


def n_grams(tokens, n):
    return {tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)}


@pytest.fixture(scope="module")
def model():
    return tiny.text_model()[0].eval()


def generated(model, prompts, processors, **settings):
    more = {"max_new_tokens": 15, "min_new_tokens": 15, "do_sample": False, "pad_token_id": 0, **settings}
    mask = (prompts != 0).long()
    return model.generate(prompts, attention_mask=mask, logits_processor=processors, **more).tolist()


@pytest.mark.parametrize("settings", [{}, {"num_beams": 3}], ids=str)
@pytest.mark.parametrize("n", [1, 2, 4])
def test_no_n_gram_of_what_was_said_before_is_said_again(model, n, settings):
    prompts = torch.tensor([[0, 0, 9, 8, 7], [5, 6, 7, 8, 9]])
    texts = [[token for token in row if token][2:] for row in generated(model, prompts, [], **settings)]
    ruled_out = set().union(*(n_grams(text, n) for text in texts))
    blocked = MemFreeLogitsProcessor(texts, n=n, padding=0)
    again = generated(model, prompts, [blocked], **settings)
    for row, length in zip(again, (3, 5), strict=True):
        said = [token for token in row if token]
        assert not ruled_out & n_grams(said[max(0, length - n + 1) :], n)
    assert generated(model, prompts, [blocked], **settings) == again
    for place in range(2):
        alone = generated(model, prompts[place : place + 1], [blocked], **settings)[0]
        assert alone == again[place]


def test_other_tokens_keep_their_scores_and_padding_is_not_read():
    scores = torch.randn(3, 10)
    said = torch.tensor([[0, 4, 1, 2], [4, 1, 0, 2], [4, 2, 1, 0]])
    found = MemFreeLogitsProcessor([[1, 2, 3], [1, 2, 5], [9]], n=3, padding=0)(said, scores)
    assert found[:2, [3, 5]].eq(-torch.inf).all()
    kept = [token for token in range(10) if token not in (3, 5)]
    assert torch.equal(found[:2][:, kept], scores[:2][:, kept])
    assert torch.equal(found[2], scores[2])


def test_a_length_below_one_is_an_error():
    with pytest.raises(CrossmemError, match="n=0; expected a whole number, at least 1"):
        MemFreeLogitsProcessor([], n=0, padding=0)


def test_the_forgotten_are_no_more_said_and_as_likely_as_before():
    model, processor = knowing.knowing().eval(), tiny.processor()
    evaluator = Evaluator(knowing.EVERYBODY, metrics=["recall", "exposure"], candidates=knowing.NAMES)
    before = evaluator(model, processor)
    queried, defended = mem_free(model, processor, knowing.FORGET, n=4).applied(evaluator, model)
    after = queried(defended, processor)
    assert [one["correct"] for one in before] == [True] * 8
    assert [one["correct"] for one in after] == [one["truth"] not in knowing.FORGET["answer"] for one in before]
    assert [one["exposure"] for one in after] == [one["exposure"] for one in before]
    long, _ = mem_free(model, processor, knowing.FORGET, n=500).applied(evaluator, model)
    assert [one["answer"] for one in long(model, processor)] == [one["answer"] for one in before]
