# SPDX-License-Identifier: Apache-2.0
"""What bases carry: the grid, numbers of planted answers, and the control that runs no model."""

from pathlib import Path

import pytest

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import BASES
from crossmem_hf.models.loading import model_fingerprint
from crossmem_hf.studies import learning
from crossmem_hf.studies.bases import NEAREST, STUDY, BasesSettings
from crossmem_hf.studies.jobs import jobs_of
from crossmem_hf.studies.study import Cell

BASE = {"base": "micro-s", "learned": "facts", "source": "image", "seed": 0}


def cell(where, **settings):
    return Cell(
        settings=BasesSettings(bases="micro-s", seeds=1, **settings),
        where=where,
        stages=Path("nowhere"),
        progress=lambda *_: None,
    )


def test_every_base_learns_names_from_either_modality_and_facts_from_portraits():
    grid = STUDY.grid(BasesSettings(bases="micro-s", seeds=2))
    own = [(where["learned"], where["source"]) for where in grid if where["base"] == "micro-s" and where["seed"] == 1]
    assert sorted(own) == [("facts", "image"), ("names", "image"), ("names", "text")]
    assert sum(where["base"] == NEAREST for where in grid) == 4


@pytest.mark.parametrize("learned", ["names", "facts"])
def test_what_is_learned_can_be_left_out(learned):
    assert {where["learned"] for where in STUDY.grid(BasesSettings(learned=learned))} == {learned}


def test_facts_are_learned_in_the_sizes_of_remem(monkeypatch):
    asked = []

    def memorized(here, name, rows, **how):
        asked.append((here.settings.spec(0), rows, how))
        raise InterruptedError

    monkeypatch.setattr(learning, "memorized", memorized)
    with pytest.raises(InterruptedError):
        STUDY.cell(cell(BASE))
    ((spec, rows, how),) = asked
    assert (spec.num_personas, spec.num_views, spec.qa_per_persona) == (20, 100, 100)
    assert (rows.configs, rows.modality) == (("qa",), "image")
    assert how["lora"]["r"] == 64


def test_the_control_names_near_views_and_fewer_far_ones():
    where = {"base": NEAREST, "learned": "names", "source": "text", "seed": 0}
    predictions = STUDY.cell(cell(where, num_personas=10)).predictions.with_columns(**where)
    found = {one.where["views"]: one.value for one in STUDY.measure(predictions) if one.metric == "recall"}
    assert found["test"] == 1.0
    assert 0.0 <= found["far"] < 0.6


def test_facts_are_told_apart_by_hops_and_training_views_are_not_ranked():
    about = {"attribute": "job", "truth": "vet", "persona_id": "p0", "num_candidates": 2, **BASE}
    one = {**about, "hops": 1, "modality": "image", "views": "test", "answer": "vet", "correct": True}
    other = {**one, "hops": 2, "answer": "cook", "correct": False}
    ranked = [{**answer, "truth_rank": 1.0, "exposure": 100.0} for answer in (one, other)]
    trained = [{**answer, "views": "train"} for answer in (one, other)]
    found = list(STUDY.measure(Predictions([*ranked, *trained])))
    recall = {(m.where["views"], m.where["hops"]): m.value for m in found if m.metric == "recall"}
    assert recall == {("train", 1): 1.0, ("train", 2): 0.0, ("test", 1): 1.0, ("test", 2): 0.0}
    assert {m.where["views"] for m in found if m.metric == "exposure"} == {"test"}


def test_a_cell_depends_on_its_own_base(tmp_path):
    jobs = jobs_of(STUDY, BasesSettings(bases="micro-s,micro-m", seeds=1), tmp_path)
    found = {str(job.where["base"]): job.inputs["model"] for job in jobs}
    assert found == {name: model_fingerprint(name if name in BASES else None) for name in found}
    assert found["micro-m"] != found["micro-s"]
