# SPDX-License-Identifier: Apache-2.0
"""Answers, ranks and perplexities of rows of both modalities."""

import math

import numpy as np
import pytest

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.models.loading import load_model
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.studies.compare_asking import ask, joined, with_perplexity

SPEC = DatasetSpec(num_personas=5, seed=1)


@pytest.fixture(scope="module")
def loaded():
    return load_model()


def test_rows_of_both_modalities():
    rows = joined("recall", "test", SPEC)
    assert len(rows) == 5 * 4 * 2
    assert set(rows["modality"]) == {"image", "text"}
    assert set(joined("qa", "test", SPEC)["hops"]) == {1, 2}
    assert set(joined("qa", "train", SPEC)["modality"]) == {"image", "text"}


@pytest.mark.parametrize("config", ["recall", "qa"])
def test_answers_ranks_and_exposure(loaded, config):
    rows = list(joined(config, "test", SPEC))[::7]
    forgotten = frozenset([rows[0]["persona_id"]])
    asked = ask(*loaded, rows, SPEC, forgotten)
    assert [item["answer"] for item in asked] == generate_answers(*loaded, rows)
    assert [item["forgotten"] for item in asked] == [row["persona_id"] in forgotten for row in rows]
    one = asked[3]
    values = sorted({row["answer"] for row in joined(config, "test", SPEC) if row["attribute"] == one["attribute"]})
    scores = score_candidates(*loaded, [rows[3]], values)
    assert one["num_candidates"] == len(values)
    assert one["rank"] == float(scores.truth_rank[0])
    assert one["exposure"] == pytest.approx(100 * (1 - math.log(one["rank"]) / math.log(len(values))))


def test_perplexity_of_what_was_said_about_the_forgotten(loaded):
    rows = list(joined("recall", "test", SPEC))[:3]
    asked = [{"forgotten": True, "answer": "Ada Moss"}, {"forgotten": True, "answer": " "}, {"forgotten": False}]
    found = with_perplexity(*loaded, rows, asked)
    (tokens,) = score_answers(*loaded, [{**rows[0], "completion": None, "answer": "Ada Moss"}])
    assert found[0]["perplexity"] == pytest.approx(float(np.exp(-np.mean(tokens.content.logprobs))))
    assert [item["perplexity"] for item in found[1:]] == [None, None]
