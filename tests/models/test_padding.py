# SPDX-License-Identifier: Apache-2.0
"""Padding is masked, so no answer, loss or weight depends on the token that stands for it, or on there being one."""

from copy import deepcopy

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.padding import able_to_pad, padding_id, padding_token
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.trainer import UnlearnTrainer
from tests.training import tiny

NAMES = ["Ada Moss", "Bo Ferris Lindgren", "Cy"]


def tokenizer_of(processing):
    return getattr(processing, "tokenizer", processing)


def padding_with(processing, token):
    made = deepcopy(processing)
    tokenizer_of(made).pad_token = token
    return made


def text_only():
    model, tokenizer = tiny.text_model()
    return model.eval(), tokenizer, tiny.rows("p0", "p1", "p2", modality="text")


def with_pictures():
    return tiny.memorized().eval(), tiny.processor(), tiny.rows("p0", "p1", "p2", modality="mixed")


@pytest.mark.parametrize("setup_of", [text_only, with_pictures])
def test_what_is_said_and_scored_needs_no_token_to_pad_with(setup_of):
    model, processing, rows = setup_of()
    found = []
    for token in (None, "<pad>", "<bos>"):
        chosen = padding_with(processing, token)
        scores = score_candidates(model, chosen, rows, NAMES)
        answers = [answer.logprobs.tolist() for answer in score_answers(model, chosen, rows)]
        found.append((scores.nll_nats.tolist(), answers, generate_answers(model, chosen, rows, max_new_tokens=4)))
        assert tokenizer_of(chosen).pad_token == token, "the tokenizer is given back as it was"
    assert found[1:] == found[:-1]


@pytest.mark.parametrize("setup_of", [text_only, with_pictures])
def test_what_is_learned_needs_no_token_to_pad_with(setup_of, tmp_path):
    weights = []
    for token in (None, "<bos>"):
        model, processing, rows = setup_of()
        chosen = padding_with(processing, token)
        config = UnlearnConfig(**tiny.settings(tmp_path, reference_cache=str(tmp_path)))
        retain = rows.select([2])
        trainer = UnlearnTrainer(model, config, rows.select([0, 1]), retain, processing_class=chosen)
        trainer.train()
        weights.append(tiny.weights(trainer.model))
        assert tokenizer_of(chosen).pad_token == token
    first, other = weights
    assert all(torch.equal(other[name], value) for name, value in first.items())


def test_the_first_token_there_is_stands_in():
    tokenizer = padding_with(tiny.processor().tokenizer, None)
    assert padding_token(tokenizer) == tokenizer.eos_token == "<eos>"
    assert padding_id(tokenizer) == tokenizer.eos_token_id
    tokenizer.eos_token = None
    assert padding_token(tokenizer) == (tokenizer.unk_token or tokenizer.bos_token)
    tokenizer.unk_token = tokenizer.bos_token = None
    for refused in (padding_token, padding_id, lambda it: able_to_pad(it).__enter__()):
        with pytest.raises(CrossmemError, match="has no pad_token, eos_token, unk_token or bos_token"):
            refused(tokenizer)


def test_the_tokenizer_is_given_back_after_an_error():
    processor = padding_with(tiny.processor(), None)
    with pytest.raises(RuntimeError, match="boom"), able_to_pad(processor):
        raise RuntimeError("boom")
    assert processor.tokenizer.pad_token is None
