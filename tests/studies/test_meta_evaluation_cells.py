# SPDX-License-Identifier: Apache-2.0
"""A model that is asked once more after a change, and is afterwards what it was."""

import pytest
import torch

from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.meta_evaluation_cells import WAYS, after_relearning, after_rounding
from crossmem_hf.training import relearning
from tests.training import tiny

SPEC = DatasetSpec(num_personas=5, num_views=1, image_size=48, forget_fraction=0.4)


def asked(monkeypatch, change):
    """Weights before a change and while it is asked; afterwards they are as before."""
    model, seen = tiny.memorized().eval(), []
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def looking(self, model, processor, **_):
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return Evaluator.judged(self, [""] * len(self.rows))

    monkeypatch.setattr(Evaluator, "__call__", looking)
    evaluator = Evaluator(tiny.rows("p0"), metrics=["recall"], max_new_tokens=3)
    change(evaluator, model, tiny.processor())
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    return before, seen[0]


def test_weights_are_rounded_while_it_is_asked_and_not_afterwards(monkeypatch):
    before, within = asked(monkeypatch, after_rounding)
    changed = [name for name in before if not torch.equal(before[name], within[name])]
    assert changed
    assert all("lora" not in name for name in changed)


def test_the_people_to_forget_are_learned_again_and_nobody_else(monkeypatch):
    taught, real = [], relearning.memorize

    def noted(model, processor, rows, **how):
        taught.append({*rows["persona_id"]})
        return real(model, processor, rows, **how)

    monkeypatch.setattr(relearning, "memorize", noted)
    rows = TrainingRows(configs=("recall_text",), split="train")
    before, within = asked(monkeypatch, lambda *call: after_relearning(*call, spec=SPEC, rows=rows))
    assert taught == [set(forgotten_ids(SPEC))]
    changed = [name for name in before if not torch.equal(before[name], within[name])]
    assert changed
    assert all("lora" in name for name in changed)


@pytest.mark.parametrize("way", WAYS)
def test_no_way_learns_more_than_the_usual_one(way):
    assert 0 < WAYS[way].share <= 1
    assert {*WAYS[way].configs} <= {*WAYS["usual"].configs}
