# SPDX-License-Identifier: Apache-2.0
"""Models that give a picture fewer positions than tokens (multimodal RoPE) score as they would alone, packed and
whole; with one position a token they would not."""

import numpy as np
import pytest

from crossmem_hf.scoring import continuations as module
from crossmem_hf.scoring import prefill, whole
from crossmem_hf.scoring.candidates import score_candidates
from tests.scoring.families import families, few_rows, model_of, nll

SOME = ["Ann", "Ann Lee Kim", "été ☃"]
every_qwen = pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])


def off(name):
    """(rows,) the largest difference from the oracle, in nats."""
    family, model = families()[name], model_of(name)
    scores = score_candidates(model, family.processor, few_rows(family), SOME, batch_size=4)
    return np.abs(scores.nll_nats - nll(model, family, few_rows(family), SOME)).max(1)


@every_qwen
def test_whole_sequences_score_as_packed_ones(name, monkeypatch):
    """The packed ones are held to the oracle with all other families."""
    assert module.can_pack(model_of(name))
    monkeypatch.setattr(module, "can_pack", lambda model: False)
    assert off(name).max() <= 2e-4


@every_qwen
def test_positions_matter_here(name, monkeypatch):
    """The guard of the tests of scores: with one position a token, the pictures' would be wrong."""
    for place in (prefill, whole):
        monkeypatch.setattr(place, "own_positions", lambda model, inputs: None)
    wrong, shown = off(name), [bool(row["images"]) for row in few_rows(families()[name])]
    assert min(wrong[shown]) > 0.01
    assert max(wrong[np.logical_not(shown)]) <= 2e-4
