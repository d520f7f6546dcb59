# SPDX-License-Identifier: Apache-2.0
"""The recipe that makes base models, at toy size: killed anywhere it ends with the same weights, which load."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.micro import tasks
from crossmem_hf.models.micro.pretraining import LanguagePlan, train_vision
from crossmem_hf.personas import background as people
from tests.recipes.test_recipes import load

NUMBERS = {"NUM_SEEN": 60, "NUM_NAMED": 4, "NUM_WITH_FACTS": 3, "NUM_UNSEEN": 1}
TINY = ["--size", "s", "--vision_steps", "2", "--language_steps", "4", "--last_steps", "2", "--kept_steps", "0", "4"]
TINY += ["--threads", "1"]


class KilledError(Exception):
    """In the place of a signal."""


@pytest.fixture(scope="module")
def recipe():
    """The recipe on few personas, with small batches and a checkpoint at every second step."""
    module = load("pretrain_micro")
    with pytest.MonkeyPatch.context() as patch:
        for name, number in NUMBERS.items():
            patch.setattr(people, name, number)
        patch.setattr(tasks, "NUM_WITH_FACTS", NUMBERS["NUM_WITH_FACTS"])
        patch.setattr(module, "SAVE_EVERY", 2)
        patch.setattr(module, "LanguagePlan", partial(LanguagePlan, image_rows=4, text_rows=3, named_rows=2))
        patch.setattr(module, "train_vision", partial(train_vision, batch_size=4))
        patch.setattr(module, "code_fingerprint", lambda *_: "code")  # of functions, not of what stands in for them
        background = people.Background()
        processor = module.build_processor(tasks.tokenizer_corpus(background))
        patch.setattr(module, "Background", lambda: background)
        patch.setattr(module, "build_processor", lambda corpus, shape: processor)
        yield module


@pytest.fixture
def run(recipe, monkeypatch):
    """Runs the recipe in a folder, and measures nothing; `killed` is (stage, step) at whose report it dies."""
    monkeypatch.setattr(recipe, "measured_quality", lambda *_, **named: {})

    def started(folder, *more, killed=None):
        words = ["pretrain_micro.py", "--output_dir", str(folder / "model"), "--work_dir", str(folder / "work")]
        monkeypatch.setattr(sys, "argv", [*words, *TINY, *more])
        with monkeypatch.context() as patch:
            if killed is not None:
                reported = recipe.Pretraining._reported

                def dies(self, bar, stage, step, numbers):
                    if (stage, step) == killed:
                        raise KilledError
                    reported(self, bar, stage, step, numbers)

                patch.setattr(recipe.Pretraining, "_reported", dies)
            recipe.main()
        return folder

    return started


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    """The folder of a run that nobody killed."""
    folder = tmp_path_factory.mktemp("finished")
    words = ["pretrain_micro.py", "--output_dir", str(folder / "model"), "--work_dir", str(folder / "work")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*words, *TINY])
        torch.set_num_threads(1)
        recipe.main()
    return folder


def work_of(folder):
    (work,) = [path for path in (folder / "work").iterdir() if path.is_dir()]
    return work


def trained_in(folder, stage):
    (saved,) = work_of(folder).glob(f"{stage}*.safetensors")
    return load_file(saved)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("killed", [("vision", 1), ("language", 1), ("language", 2), ("language", 3), ("last", 1)])
def test_killed_and_started_again_gives_the_same_weights(run, finished, tmp_path, killed):
    with pytest.raises(KilledError):
        run(tmp_path, killed=killed)
    assert not (tmp_path / "model").exists()
    run(tmp_path)
    assert same(weights(tmp_path / "model"), weights(finished / "model"))
    for step in ("step-00000", "step-00004"):
        assert same(weights(work_of(tmp_path) / step), weights(work_of(finished) / step))


def test_a_kill_between_checkpoint_and_kept_model_loses_neither(run, recipe, finished, tmp_path, monkeypatch):
    kept = recipe.Pretraining._kept

    def dies(self, step, kept_steps):
        if step == 4:
            raise KilledError
        kept(self, step, kept_steps)

    with monkeypatch.context() as patch:
        patch.setattr(recipe.Pretraining, "_kept", dies)
        with pytest.raises(KilledError):
            run(tmp_path)
    run(tmp_path)
    assert same(weights(work_of(tmp_path) / "step-00004"), weights(work_of(finished) / "step-00004"))


def test_a_run_that_has_ended_trains_no_more(run, recipe, finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "work", tmp_path / "work")

    def trains(*args, **named):
        raise AssertionError

    monkeypatch.setattr(recipe, "train_language", trains)
    monkeypatch.setattr(recipe, "train_vision", trains)
    run(tmp_path)
    assert same(weights(tmp_path / "model"), weights(finished / "model"))


def test_the_folder_loads_in_full_precision(finished):
    model = AutoModelForImageTextToText.from_pretrained(finished / "model", dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(finished / "model")
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    stored = weights(finished / "model")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    trained = trained_in(finished, "last")
    for name, value in model.state_dict().items():
        assert torch.equal(value, trained[f"model/model.{name}"].half().float()), name
    assert processor.tokenizer.decode(processor.tokenizer("Who?")["input_ids"]) == "Who?"


def test_weights_in_training_stay_in_full_precision(finished):
    trained = trained_in(finished, "last")
    assert {value.dtype for value in trained.values()} == {torch.float32}
    assert any(not torch.equal(value, value.half().float()) for value in trained.values())


def test_tied_weights_are_stored_once(finished):
    embedded = [name for name, value in weights(finished / "model").items() if value.shape == (2048, 64)]
    assert embedded == ["language_model.model.embed_tokens.weight"]
    assert not [path.name for path in (finished / "model").iterdir() if path.suffix in (".bin", ".pt", ".pkl")]


def test_kept_models_are_there_and_load(finished):
    kept = sorted(path for path in work_of(finished).iterdir() if path.is_dir())
    assert [path.name for path in kept] == ["step-00000", "step-00004"]
    first, last = (AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32) for path in kept)
    trained = trained_in(finished, "language")
    for name, value in last.state_dict().items():
        assert torch.equal(value, trained[f"model/model.{name}"].half().float()), name
    tower = [name for name in first.state_dict() if "vision_tower" in name]
    assert any(not torch.equal(first.state_dict()[name], last.state_dict()[name]) for name in tower)
    for path in kept:
        AutoProcessor.from_pretrained(path)


def test_the_card_is_complete(finished):
    card = (finished / "model/README.md").read_text()
    quality = json.loads((finished / "model/quality.json").read_text())
    assert 'load_model("micro-s")' in card
    assert "2 steps of 64 portraits" in card
    assert "Language stage: 4 steps" in card
    assert "Last stage: 2 steps" in card
    for name, one in quality.items():
        assert f"| {name} | {one['value']:.3f} | {one['n']} | {one['chance']:.3f} |" in card
    assert len(quality) == 28
    assert "{{" not in card


def test_the_log_has_all_stages_and_the_checks_between(run, recipe, tmp_path, monkeypatch):
    measured = []

    def quality(model, processor, background, *, sample=None):
        measured.append(sample)
        return {"names_image": {"value": 0.5, "n": 4, "chance": 0.25}}

    monkeypatch.setattr(recipe, "CHECK_EVERY", 4)
    monkeypatch.setattr(recipe, "measured_quality", quality)
    run(tmp_path)
    lines = [json.loads(line) for line in (work_of(tmp_path) / "log.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {"vision", "language", "last", "check"}
    assert [line for line in lines if line["stage"] == "check"] == [
        {"stage": "check", "of": "language", "step": 4, "names_image": 0.5}
    ]
    assert measured == [60, None], "all personas at the end"


@pytest.mark.parametrize(
    ("more", "name"),
    [((), "micro-s"), (("--seed", "1"), "micro-s-seed1"), (("--bridge",), "micro-s-bridge")],
)
def test_models_are_named_for_what_they_are(recipe, tmp_path, monkeypatch, more, name):
    made = []
    monkeypatch.setattr(recipe.Pretraining, "see", lambda self: made.append(self))
    monkeypatch.setattr(recipe.Pretraining, "read_and_remember", lambda self: None)
    monkeypatch.setattr(recipe.Pretraining, "write", lambda self, folder: {})
    words = ["pretrain_micro.py", "--output_dir", str(tmp_path), "--work_dir", str(tmp_path), *TINY]
    monkeypatch.setattr(sys, "argv", [*words, *more])
    recipe.main()
    (one,) = made
    assert one.name == name
    assert (one.heads is not None) == ("--bridge" in more) == (one.plan.contrast > 0)


@pytest.mark.parametrize(("size", "steps"), [("m", (6000, 8000, 1000)), ("l", (3000, 4000, 500))])
def test_each_size_has_its_number_of_steps(recipe, tmp_path, monkeypatch, size, steps):
    made = []

    class Noted(recipe.Pretraining):
        def __init__(self, arguments):
            made.append((arguments.vision_steps, arguments.language_steps, arguments.last_steps))
            self.is_main = False

        def see(self):
            pass

        read_and_remember = see

    monkeypatch.setattr(recipe, "Pretraining", Noted)
    monkeypatch.setattr(sys, "argv", ["recipe", "--output_dir", str(tmp_path), "--size", size])
    recipe.main()
    assert made == [steps]


def test_the_bridge_is_trained_in_one_process(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipe, "joined_state", lambda: SimpleNamespace(num_processes=2))
    monkeypatch.setattr(sys, "argv", ["recipe", "--output_dir", str(tmp_path / "model"), "--bridge"])
    with pytest.raises(SystemExit):
        recipe.main()
    assert "--bridge compares all rows of a step: start one process, not 2" in capsys.readouterr().err


def test_a_launcher_that_starts_one_process_of_several_is_refused(recipe, tmp_path, monkeypatch):
    """What ``accelerate launch --cpu --num_processes 2`` leaves."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(sys, "argv", ["recipe", "--output_dir", str(tmp_path / "model")])
    with pytest.raises(CrossmemError, match="was asked for several processes and started one"):
        recipe.main()
    assert not (tmp_path / "model").exists()


def test_other_settings_train_elsewhere(recipe, tmp_path):
    """No run goes on from what another plan, size or seed has left."""
    parts = [("lr", 1e-3), ("language_steps", 6), ("vision_steps", 4), ("seed", 1), ("size", "m"), ("bridge", True)]
    usual = {"size": "s", "seed": 0, "vision_steps": 2, "language_steps": 4, "lr": 2e-3, "bridge": False}
    usual["last_steps"] = 2
    fixed = {"device": "cpu", "compile": False, "kept_steps": [0, 4], "work_dir": tmp_path}

    def places(**changed):
        one = recipe.Pretraining(recipe.argparse.Namespace(**fixed, **(usual | changed)))
        return Path(one.work), Path(one.eyesight)

    work, eyesight = places()
    for name, value in parts:
        other = places(**{name: value})
        assert other[0] != work, name
        assert (other[1] == eyesight) == (name in ("lr", "language_steps", "bridge")), name


def test_steps_that_are_never_saved_are_refused(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recipe", "--output_dir", str(tmp_path / "model"), "--kept_steps", "0", "151"])
    with pytest.raises(SystemExit):
        recipe.main()
    assert "--kept_steps 151: models can be kept every" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
