# SPDX-License-Identifier: Apache-2.0
import json
import math
import random

import numpy as np
import pytest
import torch
from datasets import concatenate_datasets
from peft import PeftModel
from safetensors.torch import load_file
from transformers import TrainerCallback
from trl import SFTTrainer

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.metrics.exposure.exposure_math import exposure_items
from crossmem_hf.metrics.matching import row_matches
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.training.callbacks.memorization import MEAN, MemorizationCallback, harmonic_mean
from crossmem_hf.training.config import VisionSFTConfig
from crossmem_hf.training.reference import REFERENCE
from tests.training import knowing as toy
from tests.training import tiny

SETS = {"forget": toy.FORGET, "retain": toy.RETAIN}
FORGOTTEN = ("p0", "p1")
NUMBERS = {
    f"{role}_{modality}_{what}" for role in SETS for modality in ("image", "text") for what in ("recall", "exposure")
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Makes a model that knows everybody."""
    folder = str(tmp_path_factory.mktemp("learned"))
    return lambda **choices: toy.knowing(folder, **choices)


def evaluates(trainer, rows=toy.EVERYBODY, candidates=toy.NAMES, forgotten=FORGOTTEN, metrics=None, **choices):
    """Its callback, added to it."""
    chosen = metrics or (["recall", "exposure"] if candidates else ["recall"])
    evaluator = Evaluator(rows, metrics=chosen, candidates=candidates, forgotten=forgotten)
    callback = MemorizationCallback(trainer, evaluator, **({"every_steps": 2} | choices))
    trainer.add_callback(callback)
    return callback


def measured(model):
    """What an evaluation should measure, from one set and modality at a time and a forward pass a row."""
    numbers = {}
    for role, rows in SETS.items():
        for modality in ("image", "text"):
            own = rows.select([n for n, other in enumerate(rows["modality"]) if other == modality])
            answers = generate_answers(model.eval(), tiny.processor(), own)
            numbers[f"{role}_{modality}_recall"] = float(row_matches(answers, own["answer"]).mean())
            truths = [toy.NAMES.index(row["answer"]) for row in own]
            costs = [score_candidates(model, tiny.processor(), [row], toy.NAMES).nll_per_token[0] for row in own]
            numbers[f"{role}_{modality}_exposure"] = float(exposure_items(costs, truths).exposure.mean())
    return numbers


def test_it_evaluates_at_the_start_every_so_often_and_at_the_end(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model(), max_steps=5)
    callback = evaluates(trainer)
    start = measured(trainer.model)
    trainer.train()
    assert [one["step"] for one in callback.history] == [0, 2, 4, 5]
    first, last = callback.history[0], callback.history[-1]
    assert set(first) == {"step", MEAN, *NUMBERS}
    assert {name: first[name] for name in NUMBERS} == pytest.approx(start)
    assert first["forget_image_recall"] == first["retain_text_recall"] == 1.0
    assert {name: last[name] for name in NUMBERS} == pytest.approx(measured(trainer.model))
    assert last["forget_image_exposure"] < first["forget_image_exposure"], "evaluations follow the weights"


def test_evaluations_are_logged_beside_the_losses_which_stay_as_they_are(model, tmp_path):
    logs = []
    for evaluated in (False, True):
        trainer = toy.forgetting(tmp_path, model(), max_steps=3, logging_steps=2)
        callback = evaluates(trainer, every_steps=1) if evaluated else None
        trainer.train()
        logs.append([entry for entry in trainer.state.log_history if "loss" in entry])
    assert logs[0] == logs[1]
    logged = [entry for entry in trainer.state.log_history if f"memorization/{MEAN}" in entry]
    assert [entry["step"] for entry in logged] == [0, 1, 2, 3]
    for entry, one in zip(logged, callback.history, strict=True):
        assert {name: entry[f"memorization/{name}"] for name in (MEAN, *NUMBERS)}.items() <= one.items()
        assert not any("loss" in name for name in entry)


def test_evaluating_changes_nothing(model, tmp_path):
    """Dropout draws random numbers, and so do the callbacks here; an evaluation must use none of theirs."""

    class Draws(TrainerCallback):
        def __init__(self):
            self.drawn = []

        def on_step_end(self, args, state, control, model, **kwargs):
            self.drawn.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
            self.drawn.append([module.training for module in model.modules()])

    def drawn_once():
        return random.random() + np.random.rand() + float(torch.rand(())) > -1

    seen = []
    for evaluated in (False, True):
        trainer = toy.forgetting(tmp_path, model(dropout=0.3), max_steps=2, gradient_checkpointing=True)
        random.seed(1)
        np.random.seed(1)
        if evaluated:
            callback = evaluates(trainer, every_steps=1)
            numbers = callback._numbers
            callback._numbers = lambda model, numbers=numbers: (
                random.random(),
                np.random.rand(),
                torch.rand(3),
                numbers(model),
            )[3]
        draws = Draws()
        trainer.add_callback(draws)
        trainer.train()
        seen.append((tiny.weights(trainer.model), draws.drawn))
    (plain, drawn), (evaluated, drawn_evaluated) = seen
    assert drawn == drawn_evaluated
    for name, weight in plain.items():
        assert torch.equal(weight, evaluated[name]), name


def test_the_adapter_that_trains_is_asked_not_the_reference(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model())
    callback = evaluates(trainer)
    with torch.no_grad():
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name and f".{REFERENCE}." not in name:
                weight.zero_()
    trainer.train()
    assert callback.history[0]["forget_image_recall"] == 0.0


def test_the_best_is_kept_with_its_numbers(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model(), max_steps=12, learning_rate=1e-2)
    callback = evaluates(trainer, every_steps=1)
    weights = {}

    class Weights(TrainerCallback):
        def on_step_end(self, args, state, control, model, **kwargs):
            weights[state.global_step] = tiny.weights(model)

    trainer.add_callback(Weights())
    trainer.train()
    later = callback.history[1:]
    best = max(later, key=lambda one: one[MEAN])
    assert best[MEAN] > 0
    assert callback.best == best == json.loads((tmp_path / "best" / "best.json").read_text())
    recalls = {role: [best[f"{role}_{modality}_recall"] for modality in ("image", "text")] for role in SETS}
    assert best[MEAN] == pytest.approx(harmonic_mean(1 - sum(recalls["forget"]) / 2, sum(recalls["retain"]) / 2))
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "best")
    for name, weight in weights[best["step"]].items():
        assert torch.equal(loaded.get_parameter(name), weight), name
    assert not (tmp_path / ".saving-best").exists()


def test_it_stops_when_every_modality_is_at_chance(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model(), max_steps=60, learning_rate=3e-2)
    callback = evaluates(trainer, every_steps=1, stop_at="chance", keep_best=False)
    trainer.train()
    *before, last = callback.history
    assert callback.stopped_at == last["step"] == trainer.state.global_step < 60
    assert max(last["forget_image_recall"], last["forget_text_recall"]) <= 1 / 4
    assert all(max(one["forget_image_recall"], one["forget_text_recall"]) > 1 / 4 for one in before)
    assert not (tmp_path / "best").exists()


def test_it_never_stops_before_the_first_step(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model(), max_steps=2)
    callback = evaluates(trainer, stop_at=1.0)
    trainer.train()
    assert callback.stopped_at == 2


def test_what_was_seen_survives_a_resume(model, tmp_path):
    """Also with transformers' own restoring of callbacks switched on."""
    saving = {
        "save_strategy": "steps",
        "save_steps": 3,
        "max_steps": 6,
        "restore_callback_states_from_checkpoint": True,
    }
    trainer = toy.forgetting(tmp_path, model(), **saving)
    whole = evaluates(trainer)
    trainer.train()
    kept = load_file(tmp_path / "best" / "adapter_model.safetensors")
    trainer = toy.forgetting(tmp_path, model(), **saving)
    resumed = evaluates(trainer)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert [one["step"] for one in resumed.history] == [0, 2, 3, 4, 6]
    assert [one for one in resumed.history if one["step"] != 3] == whole.history
    assert resumed.best == whole.best
    again = load_file(tmp_path / "best" / "adapter_model.safetensors")
    assert all(torch.equal(again[name], kept[name]) for name in kept)


def test_a_run_that_begins_anew_has_no_history(model, tmp_path):
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "best.json").write_text(json.dumps({"step": 9, MEAN: 2.0}))
    trainer = toy.forgetting(tmp_path, model(), max_steps=2)
    callback = evaluates(trainer)
    for _ in range(2):
        trainer.train()
        assert [one["step"] for one in callback.history] == [0, 2]
    assert callback.best["step"] == 2


def test_any_trainer_of_transformers_will_do(model, tmp_path):
    config = VisionSFTConfig(**tiny.settings(tmp_path, max_steps=2))
    trainer = SFTTrainer(model(), config, train_dataset=toy.FORGET, processing_class=tiny.processor())
    callback = evaluates(trainer, candidates=None)
    trainer.train()
    assert callback.history[0]["forget_text_recall"] == 1.0
    assert not any("exposure" in name for name in callback.history[0])
    assert (tmp_path / "best" / "adapter_model.safetensors").exists()


def about_jobs():
    return toy.FORGET.map(lambda row: {"attribute": "job", "answer": "cook"}, load_from_cache_file=False)


def test_candidates_by_attribute(model, tmp_path):
    by_attribute = {"full_name": toy.NAMES, "job": ["cook", "poet", "vet"], "city": ["Oslo", "Rome"]}
    trainer, jobs = toy.forgetting(tmp_path, model()), about_jobs()
    callback = evaluates(trainer, concatenate_datasets([jobs, toy.RETAIN]), by_attribute, stop_at="chance")
    assert callback.floor == {"image": 1 / 3, "text": 1 / 3}
    numbers, chances = callback._numbers(model().eval())
    assert numbers["retain_image_exposure"] == 100.0
    ranks = score_candidates(model().eval(), tiny.processor(), jobs.select([0, 1]), by_attribute["job"]).truth_rank
    assert numbers["forget_image_exposure"] == pytest.approx(np.mean(100 * (1 - np.log(ranks) / np.log(3))))
    assert (chances["forget_image_recall_chance"], chances["retain_text_recall_chance"]) == (1 / 3, 1 / 4)
    alone = evaluates(trainer, jobs, by_attribute)
    assert MEAN not in alone._numbers(model().eval())[0]


def test_chance_is_logged_beside_each_exposure(model, tmp_path):
    by_attribute = {"full_name": toy.NAMES, "job": ["cook", "poet", "vet"]}
    trainer = toy.forgetting(tmp_path, model(), max_steps=1)
    evaluates(trainer, concatenate_datasets([toy.FORGET, about_jobs()]), by_attribute)
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "memorization/forget_text_exposure" in entry]
    levels = [np.mean([100 * (1 - math.log(rank) / math.log(k)) for rank in range(1, k + 1)]) for k in (4, 3)]
    assert [entry["step"] for entry in logged] == [0, 1]
    for modality in ("image", "text"):
        chances = [entry[f"memorization/forget_{modality}_exposure_chance"] for entry in logged]
        assert chances == pytest.approx([np.mean(levels)] * 2)


def reported(rows, *which):
    """The rows, those at the places named as test rows."""
    templates = ["test-0" if place in which else "validation-0" for place in range(len(rows))]
    rows = rows.remove_columns([name for name in ("template",) if name in rows.column_names])
    return rows.add_column("template", templates)


def test_rows_that_are_reported_choose_nothing(tmp_path):
    rows = concatenate_datasets([reported(toy.FORGET), reported(toy.RETAIN, 2)])
    for choices in ({"keep_best": True}, {"keep_best": False, "stop_at": 0.0}):
        with pytest.raises(CrossmemError, match="Row 6 of the 'evaluation' rows is a test row"):
            evaluates(toy.forgetting(tmp_path, tiny.memorized()), rows, **choices)
    assert evaluates(toy.forgetting(tmp_path, tiny.memorized()), rows).keep_best is False
    assert evaluates(toy.forgetting(tmp_path, tiny.memorized()), reported(toy.FORGET)).keep_best is True


def test_a_trainer_takes_an_evaluator(model, tmp_path):
    evaluator = Evaluator(toy.EVERYBODY, metrics=["recall"], forgotten=FORGOTTEN)
    trainer = toy.forgetting(tmp_path, model(), max_steps=1, evaluator=evaluator)
    trainer.train()
    (callback,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, MemorizationCallback)]
    assert [one["step"] for one in callback.history] == [0, 1]
    assert callback.history[0]["forget_text_recall"] == 1.0


@pytest.mark.parametrize("forgotten", [["p0"], ["p0", "p1", "p2"]])
def test_a_trainer_refuses_an_evaluator_with_other_groups(forgotten, tmp_path):
    evaluator = Evaluator(toy.EVERYBODY, metrics=["recall"], forgotten=forgotten)
    with pytest.raises(CrossmemError, match="The evaluator holds 1 personas for the wrong group"):
        toy.forgetting(tmp_path, tiny.memorized(), evaluator=evaluator)


MISTAKES = {
    "no steps": ({"every_steps": 0}, "every_steps=0"),
    "no recall": ({"stop_at": 1.5}, r"stop_at=1\.5"),
    "a word": ({"stop_at": "floor"}, "stop_at='floor'"),
    "no chance": (
        {"stop_at": "chance", "rows": toy.FORGET.select([0, 2]), "candidates": None, "forgotten": ["p0"]},
        "one candidate",
    ),
    "nothing to stop by": (
        {"stop_at": 0.1, "rows": toy.RETAIN, "forgotten": []},
        "measures no recall of personas to forget",
    ),
    "nobody forgotten": ({"stop_at": 0.1, "forgotten": None}, "measures no recall of personas to forget"),
    "another metric": ({"stop_at": 0.1, "metrics": ["exposure"]}, "measures no recall of personas to forget"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_before_training(mistake, tmp_path):
    choices, said = MISTAKES[mistake]
    trainer = toy.forgetting(tmp_path, tiny.memorized())
    with pytest.raises(CrossmemError, match=said):
        evaluates(trainer, **choices)


def test_weights_in_shards_are_refused_before_the_first_step(tmp_path):
    trainer = toy.forgetting(tmp_path, tiny.memorized())
    callback = evaluates(trainer)
    trainer.is_fsdp_enabled = True
    with pytest.raises(CrossmemError, match=r"shards .* crossmem score"):
        callback.on_train_begin(trainer.args, trainer.state, trainer.control)


def test_weights_that_blew_up_have_no_exposure_and_hide_no_later_error(model, tmp_path):
    trainer = toy.forgetting(tmp_path, model())
    callback = evaluates(trainer, every_steps=1)
    measured = callback._numbers
    callback._numbers = lambda model: (measured(model)[0] | {MEAN: 1.0}, {})  # of nonsense, by chance

    class BlowUp(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model, **kwargs):
            with torch.no_grad():
                next(p for name, p in model.named_parameters() if "lora_B.default" in name).fill_(torch.nan)

    trainer.add_callback(BlowUp())
    with pytest.raises(CrossmemError, match="loss at step 1 is NaN"):
        trainer.train()
    assert [("forget_text_exposure" in one) for one in callback.history] == [True, False]
    assert callback.best == {}
    assert not (tmp_path / "best").exists()
