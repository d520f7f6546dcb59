# SPDX-License-Identifier: Apache-2.0
"""Two processes on CPUs, by torchrun and gloo: losses and weights of one process, its faults, and resumed as it is."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crossmem_hf.analysis.dynamics import read_dynamics
from crossmem_hf.training.resuming import incompleteness
from tests.training import knowing as toy
from tests.training import tiny, two_processes

pytestmark = pytest.mark.slow

LOSSES = (
    "npo-nll",
    "npo-kl",
    "npo-none",
    "rmu-hidden",
    "ga-nll",
    "simnpo-nll",
    "idk-kl",
    "dpo-kl",
    "wga-nll",
    "undial-nll",
)
RELATIVE = 1e-5  # of a loss; 4e-7 was the most that was measured
ABSOLUTE = 1e-6  # nats; a KL of nearly nothing is noise


def torchrun(root, *arguments):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*launch, *map(str, arguments)], cwd=root, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def spread(tmp_path_factory, root):
    """What two processes left."""
    folder = tmp_path_factory.mktemp("two")
    toy.knowing(str(folder))
    done = torchrun(root, "tests.training.two_processes", folder, *LOSSES)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("losses", LOSSES)
def test_two_processes_are_one(spread, losses, tmp_path):
    """Of the same rows a step: 2 x 4 and 1 x 8, four steps in two epochs."""
    start, trainer = tiny.weights(tiny.memorized()), two_processes.trained(tmp_path, losses, batch=8)
    logged = two_processes.losses_of(trainer)
    assert len(logged) == 4
    for one, two in zip(logged, json.loads((spread / losses / "losses.json").read_text()), strict=True):
        assert two == pytest.approx(one, rel=RELATIVE, abs=ABSOLUTE)
    whole, parts = tiny.weights(trainer.model), load_file(spread / losses / "weights.safetensors")
    assert any(not torch.equal(whole[name], start[name]) for name in whole)
    for name in whole:
        torch.testing.assert_close(parts[name] - start[name], whole[name] - start[name], rtol=1e-3, atol=1e-7)
    assert (spread / losses / "adapter_model.safetensors").exists()
    assert not (spread / losses / "ref").exists()


def test_a_loss_that_is_nan_on_one_process_stops_both(spread):
    said = [(spread / f"nan_{rank}.txt").read_text() for rank in (0, 1)]
    named = f"forget: row {two_processes.POISONED} (p1)"
    assert sum(named in message for message in said) == 1
    for message in said:
        assert "The loss at step 1 is NaN or infinite" in message
        assert "the last good ones, are in" in message
    kept = load_file(spread / "nan" / "last_good" / "adapter_model.safetensors")
    assert all(bool(torch.isfinite(weight).all()) for weight in kept.values())


def test_two_processes_see_what_one_sees(spread):
    """Each asks a part of the rows, and all know all numbers."""
    alone = two_processes.evaluated(spread / "alone", batch=8)
    assert [one["step"] for one in alone] == [0, 3, 6]
    assert alone[0]["forget_text_recall"] == 1.0
    for rank in (0, 1):
        together = json.loads((spread / f"evaluated_{rank}.json").read_text())
        assert len(together) == 3
        for one, two in zip(alone, together, strict=True):
            assert two == pytest.approx(one, rel=1e-5)
    assert json.loads((spread / "evaluated" / "best" / "best.json").read_text())["step"] in (3, 6)


def test_two_processes_follow_the_same_sequences(spread):
    """Nine rows in batches of two: the last batches are uneven. What the other process trained on is known too."""
    two_processes.followed(spread / "alone_followed", batch=2)
    alone, both = (read_dynamics(spread / name / "dynamics.parquet") for name in ("alone_followed", "followed"))
    assert alone.steps_E.tolist() == both.steps_E.tolist() == list(range(9))
    assert both.exact_match_EN[0, :8].all()
    assert (alone.exact_match_EN == both.exact_match_EN).mean() >= 0.9
    np.testing.assert_array_equal(alone.in_batch_EN, both.in_batch_EN)


def test_two_processes_killed_go_on_as_if_nothing_had_been(root, tmp_path):
    point = "npo-kl-closing-4"
    killed = torchrun(root, "tests.training.killed", tmp_path, point)
    assert killed.returncode != 0
    assert incompleteness(tmp_path / point / "checkpoint-4", processes=2)
    assert not incompleteness(tmp_path / point / "checkpoint-2", processes=2)
    again = torchrun(root, "tests.training.killed", tmp_path, point, "on")
    assert again.returncode == 0, again.stderr[-3000:]
