# SPDX-License-Identifier: Apache-2.0
"""Lengths of gradients, row by row: by hand, of what was learned and of what was not, and nothing is left behind."""

import numpy as np
import pytest
import torch

from crossmem_hf.analysis.gradient_norms import gradient_norms
from crossmem_hf.analysis.gradient_similarity import answer_loss
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.min_k_prob.membership_math import membership_summary
from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.training.memorize import memorize
from tests.training import tiny


def trainable(model):
    return model.requires_grad_(True)


def test_norms_are_those_of_a_backward_pass_of_each_row():
    model, rows = trainable(tiny.model()), list(tiny.rows("p0", "p1", "p2", modality="mixed", views=2))
    found = gradient_norms(model, rows, answer_loss(tiny.processor()))
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    for row, norm in zip(rows, found, strict=True):
        model.zero_grad()
        answer_loss(tiny.processor())(model, [row]).backward()
        squares = sum(float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None)
        assert norm == pytest.approx(squares**0.5, rel=1e-4)


def test_learned_rows_have_short_gradients_and_betray_it(tmp_path):
    taught = tiny.rows("p0", "p1", views=2)
    how = {"max_steps": 60, "learning_rate": 1e-2, "per_device_train_batch_size": 4, "save_strategy": "no"}
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no"}
    learned = memorize(tiny.model(), tiny.processor(), taught, output_dir=str(tmp_path), **how, **quiet)
    model, rows = trainable(learned), [*taught, *strangers()]
    norms = gradient_norms(model, rows, answer_loss(tiny.processor()))
    scores = token_scores([one.logprobs for one in score_answers(model, tiny.processor(), rows)], gradient_norms=norms)
    labels = [1] * 4 + [0] * 4
    assert membership_summary(scores, labels)["auroc_gradient_norm"] == 1.0


def test_a_model_that_learned_nothing_betrays_nothing():
    """Rows of which none was learned: the same ones under both labels."""
    model, rows = trainable(tiny.model()), list(tiny.rows("p0", "p1", views=2))
    norms = gradient_norms(model, [*rows, *rows], answer_loss(tiny.processor()))
    scores = token_scores(np.full((8, 1), -1.0), gradient_norms=norms)
    assert membership_summary(scores, [1] * 4 + [0] * 4)["auroc_gradient_norm"] == 0.5


def strangers():
    """Rows whose answers nobody was taught."""
    rows = tiny.rows("p0", "p1", views=2)
    return [
        {**row, "answer": "Zed Quux", "completion": [{"role": "assistant", "content": "Zed Quux"}]} for row in rows
    ]


def test_what_cannot_be_measured_is_refused():
    frozen = torch.nn.Linear(1, 1).requires_grad_(False)
    with pytest.raises(CrossmemError, match="1 rows, and 0 parameters"):
        gradient_norms(frozen, [[1.0]], lambda model, rows: model(torch.tensor(rows)).sum())
    with pytest.raises(CrossmemError, match="Row 1: its gradient is nan"):
        gradient_norms(
            torch.nn.Linear(1, 1), [[1.0], [float("nan")]], lambda model, rows: model(torch.tensor(rows)).sum()
        )
