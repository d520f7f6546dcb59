# SPDX-License-Identifier: Apache-2.0
"""Processes that share a step: every part is taken once, evenly, and the sums are those of one process."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.micro import sharing

TRAINED = """
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.micro.model import SIZES, build_model, build_processor
from crossmem_hf.models.micro.pretraining import AttributeHeads, LanguagePlan, optimizer_for
from crossmem_hf.models.micro.pretraining import train_language, train_vision
from crossmem_hf.models.micro.tasks import tokenizer_corpus
from crossmem_hf.personas.background import Background
from crossmem_hf.runs.distributed import joined_state, leave
from crossmem_hf.seeding import rng_for

torch.set_num_threads(1)
state, background = joined_state(), Background()
processor = build_processor(tokenizer_corpus(background), SIZES["s"])
torch.manual_seed(0)
model, eyes = build_model(processor, SIZES["s"]), AttributeHeads(64)
batcher, reported = Batcher(processor), []
keep = lambda step, losses: reported.append(torch.tensor([losses[name] for name in sorted(losses)]))
both = torch.nn.ModuleDict({"model": model, "eyes": eyes})
optimizer = torch.optim.SGD(both.parameters(), lr=0.1)
optimizer.param_groups[0]["pace"] = 1.0
seen = {"heads": eyes, "optimizer": optimizer, "report": keep}
train_vision(model, batcher, background, steps=range(2), all_steps=2, rng=rng_for(0, "vision"), **seen)
plan = LanguagePlan(steps=10, image_rows=6, text_rows=4, named_rows=2, example_rows=2, later_from=0.0, later_full=0.0)
read = {"heads": None, "optimizer": optimizer, "report": keep}
train_language(model, batcher, background, plan, steps=range(2), rng=rng_for(0, "language"), **read)
weights = {name: value.clone() for name, value in model.named_parameters()}
reports = {f"report{step}": value for step, value in enumerate(reported)}
save_file(weights | reports, Path(sys.argv[1]) / f"{state.num_processes}-{state.process_index}.safetensors")
leave()
"""


@pytest.fixture
def processes(monkeypatch):
    """Makes this process one of several."""

    def become(index, count):
        state = SimpleNamespace(process_index=index, num_processes=count)
        monkeypatch.setattr(sharing, "joined_state", lambda: state)

    return become


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_part_is_taken_once_and_evenly(processes, count):
    costs, takers = [900, 860, 500, 730, 670, 610, 450], []
    for index in range(count):
        processes(index, count)
        takers.append(sharing.taken(costs))
    assert [sum(own) for own in zip(*takers, strict=True)] == [1] * len(costs)
    loads = [sum(cost for cost, own in zip(costs, mine, strict=True) if own) for mine in takers]
    assert max(loads) - min(loads) <= min(costs)


def test_more_processes_than_parts_are_refused(processes):
    processes(0, 4)
    with pytest.raises(CrossmemError, match="4 processes share a step of 3 parts"):
        sharing.taken([1, 1, 1])


def test_gradients_are_summed_and_none_stays_none(processes, monkeypatch):
    """Of three parameters one has a gradient here, one in the other process, one nowhere."""
    processes(0, 2)
    here, there, nowhere = (torch.nn.Parameter(torch.zeros(2, 2)) for _ in range(3))
    here.grad = torch.full((2, 2), 3.0)
    other = torch.cat([torch.tensor([1.0, 1.0, 0.0]), torch.full((4,), 0.5), torch.full((4,), 7.0), torch.zeros(4)])
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda values: values.add_(other))
    sharing.sum_gradients([here, there, nowhere])
    assert here.grad.tolist() == [[3.5, 3.5], [3.5, 3.5]]
    assert there.grad.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert nowhere.grad is None


def test_losses_are_summed_by_name(processes, monkeypatch):
    processes(0, 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda values: values.add_(torch.tensor([0.5, 1.0])))
    found = sharing.sum_losses({"image": torch.tensor(0.25, requires_grad=True), "text": torch.tensor(0.0)})
    assert found == {"image": 0.75, "text": 1.0}


def test_one_process_keeps_its_own_gradients():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    sharing.sum_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 1.0]


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path, root):
    script = tmp_path / "script.py"
    script.write_text(TRAINED)
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    several = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for launch in ([sys.executable], several):
        subprocess.run([*launch, str(script), str(tmp_path)], cwd=root, env=environment, check=True, timeout=600)
    one, first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("1-0", "2-0", "2-1"))
    assert len([name for name in one if name.startswith("report")]) == 4
    for name, value in one.items():
        assert torch.equal(first[name], second[name]), name
        assert torch.allclose(first[name], value, rtol=1e-4, atol=1e-5), name
