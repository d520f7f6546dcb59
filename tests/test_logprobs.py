# SPDX-License-Identifier: Apache-2.0
import numpy
import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import answer_logprobs, answer_mask, answer_scores, score_logits, sequence_logprobs
from crossmem_hf.training.collate import RowEncoder, merge_batches
from tests.training import tiny

LABELS = torch.tensor([[-100, -100, 3, 1, -100], [-100, 2, -100, -100, -100], [-100, -100, -100, 0, 4]])


def random_logits(seed=0, dtype=torch.float64):
    return torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def oracle(logits, labels):
    """Token by token, in plain numpy: log softmax at t, read at the label of t + 1."""
    sums = []
    for scores, row in zip(logits.numpy(), labels.numpy(), strict=True):
        total = 0.0
        for t in range(len(row) - 1):
            if row[t + 1] != -100:
                total += scores[t][row[t + 1]] - numpy.log(numpy.exp(scores[t]).sum())
        sums.append(total)
    return numpy.array(sums)


def batch_of(rows):
    encoder = RowEncoder(tiny.processor())
    return merge_batches([encoder.encode(row) for row in rows], pad_token_id=encoder.pad_token_id)


MIXED = [tiny.row(p, m, v) for p in tiny.PERSONAS for m, v in (("image", 0), ("text", 3))]


def test_equals_a_numpy_oracle_in_float64():
    logits = random_logits()
    numpy.testing.assert_allclose(sequence_logprobs(logits, LABELS).numpy(), oracle(logits, LABELS), rtol=1e-12)


def test_per_token_divides_by_the_number_of_answer_tokens():
    logits = random_logits()
    sums, means = sequence_logprobs(logits, LABELS), sequence_logprobs(logits, LABELS, per_token=True)
    torch.testing.assert_close(means, sums / torch.tensor([2.0, 1.0, 2.0]))


def test_positions_that_predict_no_answer_never_matter():
    logits = random_logits()
    spoiled = logits.clone()
    spoiled[:, :-1][~answer_mask(LABELS)] = float("nan")
    spoiled[:, -1] = float("inf")
    assert torch.equal(sequence_logprobs(spoiled, LABELS), sequence_logprobs(logits, LABELS))


def test_gradients_reach_answer_positions_only():
    logits = random_logits().requires_grad_()
    sequence_logprobs(logits, LABELS).sum().backward()
    touched = logits.grad.abs().sum(dim=-1) > 0
    assert torch.equal(touched[:, :-1], answer_mask(LABELS))
    assert not touched[:, -1].any()


def test_never_positive_and_zero_for_certainty():
    logits = torch.full((1, 2, 4), -1e4)
    logits[0, 0, 2] = 1e4
    assert sequence_logprobs(logits, torch.tensor([[-100, 2]])).item() == 0.0
    assert (sequence_logprobs(random_logits(), LABELS) <= 0).all()


def test_half_precision_is_summed_in_float32():
    scores = score_logits(random_logits(dtype=torch.bfloat16), LABELS)
    assert scores.sums_B.dtype == torch.float32


def test_a_row_without_answer_is_named():
    labels = LABELS.clone()
    labels[1] = -100
    with pytest.raises(CrossmemError, match=r"Rows \[1\]"):
        sequence_logprobs(random_logits(), labels)


def test_an_answer_at_the_very_start_cannot_be_predicted():
    labels = torch.full((1, 3), -100)
    labels[0, 0] = 2
    with pytest.raises(CrossmemError, match=r"Rows \[0\]"):
        answer_mask(labels)


def test_shapes_that_disagree():
    with pytest.raises(CrossmemError, match="unshifted"):
        sequence_logprobs(random_logits()[:, :-1], LABELS)


def test_labels_are_required():
    with pytest.raises(CrossmemError, match="no 'labels'"):
        answer_scores(tiny.model(), {"input_ids": torch.zeros(1, 2, dtype=torch.long)})


def test_rows_cuts_everything_alike():
    scores = score_logits(random_logits(), LABELS)
    middle = scores.rows(1, 3)
    assert torch.equal(middle.sums_B, scores.sums_B[1:])
    assert torch.equal(middle.logits_NV, scores.logits_NV[2:])


@torch.no_grad()
def test_the_model_path_equals_full_logits():
    model, batch = tiny.model().eval(), batch_of(MIXED)
    logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    torch.testing.assert_close(answer_logprobs(model, batch), sequence_logprobs(logits, batch["labels"]))


@torch.no_grad()
def test_the_fused_head_gives_the_same():
    from trl.trainer.utils import add_fused_lm_head

    model, batch = tiny.model().eval(), batch_of(MIXED)
    plain = answer_scores(model, batch)
    add_fused_lm_head(model)
    fused = answer_scores(model, batch, fused=True)
    torch.testing.assert_close(fused.token_logprobs_BT, plain.token_logprobs_BT, rtol=1e-5, atol=1e-5)
    assert torch.equal(fused.mask_BT, plain.mask_BT)
    assert fused.logits_NV is None


@torch.no_grad()
def test_a_batch_of_eight_equals_eight_batches_of_one():
    model = tiny.model().eval()
    alone = torch.cat([answer_logprobs(model, batch_of([row])) for row in MIXED])
    torch.testing.assert_close(answer_logprobs(model, batch_of(MIXED)), alone, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_left_padding_equals_right_padding():
    model, right = tiny.model().eval(), batch_of(MIXED)
    left = dict(right)
    for key in ("input_ids", "attention_mask", "labels"):
        left[key] = torch.stack(
            [
                torch.roll(line, int((mask == 0).sum()))
                for line, mask in zip(right[key], right["attention_mask"], strict=True)
            ]
        )
    assert not torch.equal(left["input_ids"], right["input_ids"])
    torch.testing.assert_close(answer_logprobs(model, left), answer_logprobs(model, right), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_what_stands_under_the_padding_is_ignored():
    model, batch = tiny.model().eval(), batch_of(MIXED)
    scribbled = batch | {"input_ids": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, 9)}
    assert not torch.equal(scribbled["input_ids"], batch["input_ids"])
    torch.testing.assert_close(answer_logprobs(model, scribbled), answer_logprobs(model, batch))
