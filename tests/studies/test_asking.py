# SPDX-License-Identifier: Apache-2.0
"""Asking everyone: answers, truths and exposures line up."""

import numpy as np

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.models.loading import load_model
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.scoring.candidates import Scores
from crossmem_hf.studies import asking

SPEC = DatasetSpec(num_personas=5, num_views=2)


def test_a_model_that_knows_half_is_half_right(tiny_model, monkeypatch):
    model, processor = load_model(str(tiny_model))
    names = [persona.full_name for persona in sample_personas(5)]

    def knowing(model, processor, rows, **_):
        return [row["answer"].upper() if row["view"] % 2 else "nobody" for row in rows]

    def scored(model, processor, rows, candidates, **_):
        assert list(candidates) == names
        truths = [candidates.index(row["answer"]) for row in rows]
        nll = np.full((len(rows), len(candidates)), 5.0)
        nll[np.arange(len(rows)), truths] = [1.0 if row["view"] % 2 else 9.0 for row in rows]
        return Scores(nll_nats=nll, num_tokens=np.ones_like(nll, dtype=np.int64), truth_index=np.array(truths))

    monkeypatch.setattr(asking, "generate_answers", knowing)
    monkeypatch.setattr(asking, "score_candidates", scored)
    asked = asking.asked_names(model, processor, SPEC, stage="base", source="image", targets=("image", "text"))
    assert len(asked) == 2 * 5 * 4
    assert all(item.correct == bool(item.view % 2) for item in asked)
    assert all(item.exposure == (100.0 if item.view % 2 else 0.0) for item in asked)
    assert all((item.rank, item.num_candidates) == (1.0 if item.view % 2 else 5.0, 5) for item in asked)
    assert all(names[int(item.persona_id[-5:])] == item.truth for item in asked)
