# SPDX-License-Identifier: Apache-2.0
"""Rows of every family in one batch: pictures of different tiles, sizes and numbers beside texts, and each row trains
as it would alone."""

from functools import lru_cache

import numpy as np
import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import NOT_AN_ANSWER, answer_scores
from crossmem_hf.models.cross_attention import rows_apart
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.training.collate import SEQUENCE_KEYS, RowEncoder, merge_batches
from tests.scoring.families import OTHERS, SEEING, answer_tokens, families, few_rows, model_of, nll, requested, rows

every_family = pytest.mark.parametrize("name", [*SEEING, *OTHERS])


@lru_cache
def singles(name):
    """A batch of each of the family's rows."""
    encoder = RowEncoder(families()[name].processor)
    return [encoder.encode(row) for row in few_rows(families()[name])]


def merged(name, *chosen):
    """One batch of some rows, or of all."""
    several = [singles(name)[index] for index in chosen] if chosen else singles(name)
    return merge_batches(several, pad_token_id=RowEncoder(families()[name].processor).pad_token_id)


def gradients(model, batch):
    """(rows,) log-probabilities of the answers, and the gradient of their sum by parameter."""
    model.zero_grad()
    with rows_apart(model):
        sums = answer_scores(model, batch).sums_B
    sums.sum().backward()
    return sums.detach(), {name: part.grad.clone() for name, part in model.named_parameters() if part.grad is not None}


@every_family
def test_labels_are_the_tokens_that_are_scored(name):
    family = families()[name]
    for row, batch in zip(few_rows(family), singles(name), strict=True):
        labels = batch["labels"][0]
        expected = answer_tokens(family, row["answer"])
        assert labels[labels != NOT_AN_ANSWER].tolist() == expected
        assert labels[-len(expected) :].tolist() == batch["input_ids"][0, -len(expected) :].tolist() == expected


@every_family
def test_a_mixed_batch_is_its_rows(name):
    """Log-probabilities are the oracle's, and the gradient is the sum of those of single rows."""
    family, model = families()[name], model_of(name)
    shapes = {batch["pixel_values"].shape for batch in singles(name) if "pixel_values" in batch}
    assert len(shapes) > 1 or name.startswith("llava_")
    sums, together = gradients(model, merged(name))
    expected = [-nll(model, family, [row], [row["answer"]])[0, 0] for row in few_rows(family)]
    assert np.abs(sums.numpy() - expected).max() <= 1e-4
    summed: dict[str, torch.Tensor] = {}
    for batch in singles(name):
        for part, gradient in gradients(model, batch)[1].items():
            summed[part] = summed[part] + gradient if part in summed else gradient
    largest = max(gradient.abs().max() for gradient in summed.values())
    assert set(together) == set(summed)
    assert max((together[part] - summed[part]).abs().max() for part in summed) <= 1e-5 * largest
    model.zero_grad()


@every_family
def test_pictures_are_padded_as_the_processor_pads_them(name):
    family = families()[name]
    shown = [index for index, row in enumerate(few_rows(family)) if row["images"]]
    given = [few_rows(family)[index] for index in shown]
    texts, images = [prompt_text(family.processor, row) for row in given], [row["images"] for row in given]
    padded = {"padding": True, "padding_side": "right", "return_tensors": "pt", "add_special_tokens": False}
    whole = family.processor(text=texts, images=images, **padded)
    ours = merged(name, *shown)
    for key in set(whole) - {*SEQUENCE_KEYS, "cross_attention_mask"}:
        assert torch.equal(ours[key], whole[key]), key
    if "cross_attention_mask" in whole:  # the processor lets the padding behind a prompt look at pictures
        real = whole["attention_mask"].bool()
        width = real.shape[1]
        assert torch.equal(ours["cross_attention_mask"][:, :width][real], whole["cross_attention_mask"][real])


@every_family
def test_texts_alone_bring_no_pictures(name):
    family = families()[name]
    texts = [index for index, row in enumerate(few_rows(family)) if not row["images"]]
    assert bool(texts) == family.text_rows
    if texts:
        batch = merged(name, *texts)
        assert set(batch) <= set(SEQUENCE_KEYS)
        sums = answer_scores(model_of(name), batch).sums_B.detach().numpy()
        expected = [
            -nll(model_of(name), family, [few_rows(family)[index]], [few_rows(family)[index]["answer"]])
            for index in texts
        ]
        assert np.abs(sums - np.ravel(expected)).max() <= 1e-4


@pytest.mark.parametrize("name", ["mllama", "idefics2", "llava_onevision", "qwen2_vl"])
def test_batches_of_batches_are_one_batch(name):
    """As the forget and the retain rows of a step become one."""
    pad = RowEncoder(families()[name].processor).pad_token_id
    last = len(singles(name)) - 1
    parts = [merged(name, 0, 1), merged(name, last), merged(name, 2, 3)]
    twice, once = merge_batches(parts, pad_token_id=pad), merged(name, 0, 1, last, 2, 3)
    assert twice.keys() == once.keys()
    assert all(torch.equal(twice[key], once[key]) for key in once)


def test_pictures_of_two_sizes_without_a_mask_are_refused():
    """Padding that nobody is told of would be a part of the picture."""
    one, two = (dict(singles("llava_clip")[0]) for _ in range(2))
    two["pixel_values"] = torch.zeros(1, 3, 24, 32)
    with pytest.raises(CrossmemError, match=r"\(3, 24, 24\), \(3, 24, 32\)"):
        merge_batches([one, two], pad_token_id=0)


def test_paligemma_needs_a_picture():
    family = families()["paligemma"]
    with pytest.raises(CrossmemError, match=r"Row 3 .*no picture, and a PaliGemmaProcessor"):
        RowEncoder(family.processor).encode(requested("Who?"), "Row 3 of the forget set")
    RowEncoder(family.processor).encode(rows(family)[0], "Row 3 of the forget set")
