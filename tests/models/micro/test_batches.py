# SPDX-License-Identifier: Apache-2.0
"""Base models are fed exactly what processor and chat template would make of the same conversation."""

from itertools import pairwise

import pytest
import torch

from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from crossmem_hf.scoring.inputs import encode
from tests.models.micro.conftest import PRESENTED, asked


def as_row(query):
    """The dataset row that asks the same."""
    words, pictures = query.question, []
    if query.modality == "image":
        pictures = [render_portrait(query.persona, view_for(query.persona, query.split, query.view), 64)]
    elif query.modality == "text":
        words = f"{describe(query.persona, query.split, query.view).text} {words}"
    return {"prompt": [{"role": "user", "content": words}], "images": pictures}


@pytest.mark.parametrize("modality", PRESENTED)
def test_training_inputs_are_those_of_the_processor(processor, few, modality):
    batch = Batcher(processor)(few[modality])
    assert ("pixel_values" in batch) == (modality == "image")
    for index, query in enumerate(few[modality]):
        row = as_row(query)
        prompt = encode(processor, [prompt_text(processor, row)], [row["images"]])
        (answer,), _ = answer_tokens(processor, row, [query.answer])
        expected = [*prompt["input_ids"][0].tolist(), *answer]
        ids, mask = batch["input_ids"][index], batch["attention_mask"][index]
        assert ids[: len(expected)].tolist() == expected
        assert mask.tolist() == [1] * len(expected) + [0] * (len(ids) - len(expected))
        assert (ids[len(expected) :] == processor.tokenizer.pad_token_id).all()
        if modality == "image":
            assert torch.allclose(batch["pixel_values"][index], prompt["pixel_values"][0], atol=2e-6)


@pytest.mark.parametrize("modality", PRESENTED)
def test_labels_are_on_the_answer_and_its_end_alone(processor, few, modality):
    batch = Batcher(processor)(few[modality])
    for query, ids, mask, labels in zip(
        few[modality], batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True
    ):
        labeled = (labels != -100).nonzero().flatten().tolist()
        assert processor.tokenizer.decode(labels[labeled]) == f"{query.answer}<eos>"
        assert labeled == list(range(labeled[0], int(mask.sum()))), "in one piece, up to the padding"
        assert torch.equal(ids[labeled], labels[labeled])
        assert processor.tokenizer.decode(ids[labeled[0] - 1]) == "<|assistant|>"


@pytest.mark.parametrize("modality", PRESENTED)
def test_prompts_are_those_of_scoring(processor, few, modality):
    mine = Batcher(processor).prompts(few[modality])
    rows = [as_row(query) for query in few[modality]]
    theirs = encode(processor, [prompt_text(processor, row) for row in rows], [row["images"] for row in rows])
    assert mine.keys() == theirs.keys()
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(mine[name], theirs[name])
    if modality == "image":
        assert torch.allclose(mine["pixel_values"], theirs["pixel_values"], atol=2e-6)


@pytest.mark.parametrize(("count", "parts"), [(28, 3), (7, 3), (3, 3), (2, 3), (5, 1)])
def test_groups_of_like_length_hold_each_place_once(processor, few, count, parts):
    queries = few["text"][:count]
    groups = Batcher(processor).by_length(queries, parts)
    assert sorted(place for group in groups for place in group) == list(range(count))
    assert len(groups) <= parts
    lengths = [[len(queries[place].words + queries[place].answer) for place in group] for group in groups]
    assert all(max(shorter) <= min(longer) for shorter, longer in pairwise(lengths))


def test_words_describe_whom_the_text_modality_presents(background):
    persona = background.seen[0]
    described = describe(persona, "wide", 3).text
    assert asked(persona, modality="text", split="wide", view=3).words == f"{described} Who?"
    assert asked(persona, modality=None).words == asked(persona, modality="image").words == "Who?"
