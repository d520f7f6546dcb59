# SPDX-License-Identifier: Apache-2.0
"""Geometry along a training is that of the model at each step, changes nothing, and survives a resume."""

import pytest
import torch
from transformers import TrainerCallback

from crossmem_hf.analysis.representations import representation_geometry
from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.callbacks.geometry import RepresentationGeometryCallback
from tests.training import knowing as toy
from tests.training import tiny

SETS = {"forget": toy.FORGET, "retain": toy.RETAIN}
NUMBERS = ("rankme", "participation_ratio")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Makes a model that knows everybody."""
    folder = str(tmp_path_factory.mktemp("learned"))
    return lambda **choices: toy.knowing(folder, **choices)


def follows(trainer, **choices):
    """Its callback, added to it."""
    callback = RepresentationGeometryCallback(trainer, SETS, **({"every_steps": 2} | choices))
    trainer.add_callback(callback)
    return callback


def by_hand(model):
    found = {}
    for name, rows in SETS.items():
        shape = representation_geometry(model.eval(), tiny.processor(), rows, rank_range=None)
        found |= {f"{name}_{number}": shape[number] for number in NUMBERS}
    return found


def test_it_measures_at_the_start_every_so_often_and_at_the_end(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model(), max_steps=5)
    callback = follows(trainer)
    start = by_hand(trainer.model)
    trainer.train()
    assert [one["step"] for one in callback.history] == [0, 2, 4, 5]
    assert callback.history[0] == pytest.approx({"step": 0, **start})
    assert callback.history[-1] == pytest.approx({"step": 5, **by_hand(trainer.model)})
    assert callback.history[-1]["forget_rankme"] != pytest.approx(start["forget_rankme"])
    logged = [entry for entry in trainer.state.log_history if "geometry/forget_rankme" in entry]
    assert [entry["geometry/forget_rankme"] for entry in logged] == [one["forget_rankme"] for one in callback.history]


def test_measuring_changes_neither_weights_nor_modes_nor_random_numbers(model, tmp_path):
    class Draws(TrainerCallback):
        def __init__(self):
            self.drawn = []

        def on_step_end(self, args, state, control, model, **kwargs):
            self.drawn.append((float(torch.rand(())), [module.training for module in model.modules()]))

    seen = []
    for measured in (False, True):
        trainer = toy.forgetting(tmp_path, model(dropout=0.3), max_steps=2)
        if measured:
            follows(trainer, every_steps=1)
        draws = Draws()
        trainer.add_callback(draws)
        trainer.train()
        seen.append((tiny.weights(trainer.model), draws.drawn))
    (plain, drawn), (followed, drawn_followed) = seen
    assert drawn == drawn_followed
    assert all(torch.equal(weight, followed[name]) for name, weight in plain.items())


def test_what_was_measured_survives_a_resume(model, tmp_path):
    saved = {"save_strategy": "steps", "save_steps": 2}
    whole = follows(toy.forgetting(tmp_path, model(), max_steps=4, **saved))
    whole.trainer.train()
    resumed = follows(toy.forgetting(tmp_path, model(), max_steps=4, **saved))
    resumed.trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert resumed.history == whole.history


def test_other_rows_than_the_checkpoint_has_seen_are_refused(model, tmp_path):
    saved = {"save_strategy": "steps", "save_steps": 1}
    follows(toy.forgetting(tmp_path, model(), max_steps=1, **saved)).trainer.train()
    trainer = toy.forgetting(tmp_path, model(), max_steps=2, **saved)
    trainer.add_callback(RepresentationGeometryCallback(trainer, {"forget": toy.FORGET}))
    with pytest.raises(CrossmemError, match="other rows"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))


def test_several_of_one_trainer_are_told_apart_by_name(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model(), max_steps=1)
    first, second = (follows(trainer, form=form, name=form) for form in ("eigenvalue", "singular"))
    trainer.train()
    logged = {key for entry in trainer.state.log_history for key in entry if "rankme" in key}
    assert logged == {f"geometry_{form}/{group}_rankme" for form in ("eigenvalue", "singular") for group in SETS}
    assert first.history != second.history
    other = toy.forgetting(tmp_path, model(), max_steps=1)
    follows(other)
    follows(other)
    with pytest.raises(CrossmemError, match="have the name ''"):
        other.train()


@pytest.mark.parametrize("rows", [{}, {"forget": toy.FORGET.select([])}])
def test_no_rows_are_refused(model, tmp_path, rows):
    with pytest.raises(CrossmemError, match="no rows"):
        RepresentationGeometryCallback(toy.forgetting(tmp_path, model()), rows)


def test_steps_below_one_and_trainers_without_a_processor_are_refused(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model())
    with pytest.raises(CrossmemError, match="every_steps"):
        follows(trainer, every_steps=0)
    trainer.processing_class = None
    with pytest.raises(CrossmemError, match="no processor"):
        follows(trainer)
