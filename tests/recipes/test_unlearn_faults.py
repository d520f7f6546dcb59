# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in an unlearning recipe: numbers that are none, and processes that are not there."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.collate import RowEncoder
from crossmem_hf.training.npo import NPOConfig
from crossmem_hf.training.recipe import unlearn_recipe

SMALL = ["--num_personas", "5", "--num_views", "2", "--per_device_train_batch_size", "2", "--max_steps", "4"]
OPTIONS = [*SMALL, "--disable_tqdm", "true", "--report_to", "none", "--allow_unmemorized", "true"]
BRIEFLY = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "save_strategy": "no"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """An adapter of five people, as little as two steps teach, and its weights."""
    from crossmem_hf.models.loading import load_model
    from crossmem_hf.training.arguments import ModelArguments, RowArguments
    from crossmem_hf.training.memorize import memorize

    folder = tmp_path_factory.mktemp("learned")
    quiet = BRIEFLY | {"disable_tqdm": True, "report_to": "none"}
    rows = RowArguments(num_personas=5, num_views=2).rows()
    memorize(*load_model(), rows, output_dir=folder, lora=ModelArguments().lora(), **quiet)
    return folder


def unlearn(root, learned, folder, *options):
    script = str(root / "recipes" / "unlearn_npo.py")
    start = ["--adapter_name_or_path", str(learned), "--output_dir", str(folder), "--stop_threshold", "null"]
    return unlearn_recipe(script, NPOConfig, [*OPTIONS, *start, *options])


def test_a_learning_rate_that_breaks_the_model(root, learned, tmp_path):
    """The step that broke it is undone, nothing is passed off as the result, and the rows are named."""
    with pytest.raises(
        CrossmemError, match=r"loss at step 1 is NaN or infinite \(forget: row [01] \(t0-\d+\)"
    ) as caught:
        unlearn(root, learned, tmp_path, "--learning_rate", "1e38")
    assert "the weights of step 0, the last good ones" in str(caught.value)
    assert not (tmp_path / "adapter_model.safetensors").exists()
    kept, before = (load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "last_good", learned))
    assert all(torch.equal(kept[name], before[name]) for name in before)


def test_a_poisoned_picture_is_named(root, learned, tmp_path, monkeypatch):
    encode = RowEncoder.encode

    def poisoned(self, row, name):
        batch = encode(self, row, name)
        if name.startswith("5 of the retain set"):
            batch["pixel_values"][0, 0, 3, 3] = float("nan")
        return batch

    monkeypatch.setattr(RowEncoder, "encode", poisoned)
    saving = ["--save_strategy", "steps", "--save_steps", "2", "--max_steps", "5"]
    with pytest.raises(CrossmemError, match=r"is NaN or infinite \(retain: row 5 \(t0-\d+\)\)"):
        unlearn(root, learned, tmp_path, *saving)
    assert (tmp_path / "last_good" / "adapter_model.safetensors").exists()
    monkeypatch.undo()  # the picture is repaired
    assert unlearn(root, learned, tmp_path, *saving, "--resume_from_checkpoint", "last")


def processes(root, launcher, learned, folder, *options):
    script = [str(root / "recipes" / "unlearn.py"), *OPTIONS, "--adapter_name_or_path", str(learned)]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *launcher, *script, "--output_dir", str(folder), *options]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_accelerate_that_starts_one_of_two_is_refused(root, learned, tmp_path):
    done = processes(root, ["accelerate.commands.launch", "--cpu", "--num_processes", "2"], learned, tmp_path)
    assert done.returncode != 0
    assert "error: accelerate launch was asked for several processes and started one" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_recipe_on_two_processes(root, learned, tmp_path):
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    chosen = ["--dataset_config", "recall_image+recall_text", "--forget_modality", "both", "--retain_loss", "kl"]
    done = processes(root, launcher, learned, tmp_path / "both", *chosen, "--stop_every_steps", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("The unlearned adapter is in") == 1
    kept, before = (load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "both", learned))
    assert any(not torch.equal(kept[name], before[name]) for name in before)
    wild = processes(root, launcher, learned, tmp_path / "wild", "--learning_rate", "1e38", "--stop_threshold", "null")
    assert wild.returncode != 0
    assert wild.stderr.count("error: The loss at step 1 is NaN or infinite") == 2
    assert [path.name for path in (tmp_path / "wild").iterdir()] == ["last_good"]
