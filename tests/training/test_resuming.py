# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.reference import REFERENCE
from crossmem_hf.training.resuming import EARLIER_STATE, incompleteness, newest_complete, resume_point
from crossmem_hf.training.trainer import UnlearnTrainer
from tests.training import killed

KILLED = {  # killed here -> goes on from the checkpoint of this step
    "npo-nll-after-3": 2,  # in the middle of a step, in the first epoch of 3 steps but on from another
    "npo-nll-closing-2": None,  # half written, and no other
    "dpo-kl-after-4": 4,  # retain pairs of a later epoch, the reference at every step, refusals
}
KILLED_LATER = {
    "npo-nll-after-7": 6,  # from an epoch's end
    "npo-nll-saving-8": 6,  # a checkpoint half written
}


def killed_runs(folder, root, points):
    """The folder, with a killed run of each point."""
    command = [sys.executable, "-m", "tests.training.killed", str(folder), *points]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory, root):
    return killed_runs(tmp_path_factory.mktemp("killed"), root, KILLED)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The weights of a run that nothing stops, by losses."""
    kept = {}

    def of(*losses):
        if losses not in kept:
            kept[losses] = killed.run(tmp_path_factory.mktemp("whole"), *losses)
        return kept[losses]

    return of


class Seen(TrainerCallback):
    """The steps that a run made, and its reference when it began."""

    def __init__(self):
        self.steps, self.reference = [], {}

    def on_train_begin(self, args, state, control, model, **kwargs):
        self.reference = {name: p.detach().clone() for name, p in model.named_parameters() if f".{REFERENCE}." in name}

    def on_step_end(self, args, state, control, **kwargs):
        self.steps.append(state.global_step)


@pytest.mark.parametrize("point", KILLED)
def test_a_killed_run_resumed_ends_as_if_nothing_had_been(runs, uninterrupted, point):
    check_resumed(runs / point, point, KILLED[point], uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("point", KILLED_LATER)
def test_a_run_killed_later_ends_as_if_nothing_had_been(tmp_path, root, uninterrupted, point):
    folder = killed_runs(tmp_path, root, [point]) / point
    check_resumed(folder, point, KILLED_LATER[point], uninterrupted)


def check_resumed(folder, point, step, uninterrupted):
    """On from the checkpoint of this step, with its first reference, it ends with the weights of a whole run."""
    losses, seen = point.split("-")[:2], Seen()
    assert not (folder / "adapter_model.safetensors").exists()
    resumed = killed.run(folder, *losses, resume_from_checkpoint="last", callbacks=[seen])
    whole = uninterrupted(*losses)
    assert seen.steps == list(range((step or 0) + 1, 12))
    assert resumed.keys() == whole.keys()
    for name in whole:
        assert torch.equal(resumed[name], whole[name]), name
    start = dict(killed.memorized().named_parameters())
    assert seen.reference
    for name, weight in seen.reference.items():
        assert torch.equal(weight, start[name.replace(f".{REFERENCE}.", ".default.")]), name
    saved = load_file(folder / "adapter_model.safetensors")
    for name, weight in saved.items():
        assert torch.equal(weight, whole[name.replace(".weight", ".default.weight")]), name
    assert not list(folder.glob("**/.saving-*"))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    killed.run(folder, max_steps=4)
    return folder


@pytest.fixture
def finished(once, tmp_path):
    """A run with complete checkpoints of steps 2 and 4."""
    return shutil.copytree(once, tmp_path, dirs_exist_ok=True)


def config(folder, resume=None):
    return UnlearnConfig(output_dir=str(folder), resume_from_checkpoint=resume)


def test_the_newest_complete_checkpoint(finished):
    assert newest_complete(finished) == str(finished / "checkpoint-4")
    (finished / "checkpoint-4" / "rng_state.pth").write_bytes(b"PK half of it")
    assert newest_complete(finished) == str(finished / "checkpoint-2")
    (finished / "checkpoint-2" / "trainer_state.json").write_text('{"global_st')
    assert newest_complete(finished) is None
    assert newest_complete(finished / "nowhere") is None


def test_checkpoints_are_ordered_by_number_not_by_name(finished):
    shutil.copytree(finished / "checkpoint-2", finished / "checkpoint-10")
    shutil.copytree(finished / "checkpoint-2", finished / "checkpoint-best")
    assert newest_complete(finished) == str(finished / "checkpoint-10")


def test_what_a_checkpoint_lacks(finished):
    checkpoint = finished / "checkpoint-4"
    assert incompleteness(checkpoint) == ""
    assert "rng_state_0.pth" in incompleteness(checkpoint, processes=2)
    (checkpoint / "optimizer.pt").unlink()
    assert "optimizer" in incompleteness(checkpoint)
    assert "no such folder" in incompleteness(finished / "checkpoint-5")


@pytest.mark.parametrize("word", ["last", "true", "True", True])
def test_the_words_for_the_last_one(finished, word):
    assert resume_point(config(finished, word)) == str(finished / "checkpoint-4")
    assert resume_point(config(finished / "empty", word)) is None


@pytest.mark.parametrize("word", [None, False, "false", "null", "none"])
def test_the_words_for_starting_anew(finished, word):
    assert resume_point(config(finished, word)) is None


def test_a_checkpoint_by_its_path(finished):
    assert resume_point(config(finished, str(finished / "checkpoint-2"))) == str(finished / "checkpoint-2")
    (finished / "checkpoint-2" / "trainer_state.json").unlink()
    with pytest.raises(CrossmemError, match=r"is no checkpoint to go on from: it has no whole trainer_state\.json"):
        killed.run(finished, resume_from_checkpoint=str(finished / "checkpoint-2"))


def test_a_new_run_takes_no_earlier_runs_checkpoints(finished, monkeypatch):
    """Killed while it writes over one, the folder would hold new weights and an old state."""

    def die(self, output_dir):
        raise KeyboardInterrupt

    (finished / "checkpoint-2" / ".saving-x").mkdir()
    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", die)
    with pytest.raises(KeyboardInterrupt):
        killed.run(finished, learning_rate=1e-3)
    assert newest_complete(finished) is None
    assert json.loads((finished / "checkpoint-4" / EARLIER_STATE).read_text())["global_step"] == 4
    assert not (finished / "checkpoint-2" / ".saving-x").exists()


def test_a_resumed_run_that_fails_at_once_keeps_what_the_checkpoint_had(finished, monkeypatch):
    reached = load_file(finished / "checkpoint-2" / "adapter_model.safetensors")
    monkeypatch.setattr(UnlearnTrainer, "_stop_unless_finite", lambda self, losses, rows: self._give_up("planted"))
    with pytest.raises(CrossmemError, match="the weights of step 2, the last good ones"):
        killed.run(finished, max_steps=4, resume_from_checkpoint=str(finished / "checkpoint-2"))
    kept = load_file(finished / "last_good" / "adapter_model.safetensors")
    assert all(torch.equal(kept[name], reached[name]) for name in reached)
