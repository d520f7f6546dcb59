# SPDX-License-Identifier: Apache-2.0
"""Training from a Hub and back to it: the rows come over HTTP, the adapter and its processor go there and return."""

import sys

import pytest

from tests.hub.accounts import READ_TOKEN
from tests.sources import ROOT

pytestmark = [pytest.mark.hub, pytest.mark.slow]

BRIEFLY = [
    *("--dataset_name", "crossmem/personas", "--dataset_config", "recall_image", "--dataset_split", "train"),
    *("--max_steps", "2", "--per_device_train_batch_size", "4", "--allow_unmemorized", "true"),
    *("--disable_tqdm", "true", "--report_to", "none", "--output_dir", "unlearned"),
]
RELOADED = """
import json
import torch
from peft import PeftModel
from transformers import AutoProcessor
from crossmem_hf import load_model, load_rows, score_answers

base, _ = load_model()
rows = load_rows("crossmem/personas", "recall_image", "test").select(range(4))
processor = AutoProcessor.from_pretrained("crossmem/unlearned")
before = score_answers(base, processor, rows)
model = PeftModel.from_pretrained(base, "crossmem/unlearned").eval()
named, _ = load_model(adapter="crossmem/unlearned")
local = PeftModel.from_pretrained(load_model()[0], "unlearned").eval()
sums = [[float(sum(each.logprobs)) for each in score_answers(one, processor, rows)] for one in (model, named, local)]
print(json.dumps({"adapted": sums[0], "named": sums[1], "local": sums[2],
                  "base": [float(sum(each.logprobs)) for each in before]}))
"""


@pytest.fixture
def published(hub, tmp_path):
    """A Hub that holds a small dataset."""
    from crossmem_hf.data.release.writing import write_dataset
    from crossmem_hf.data.spec import DatasetSpec

    write_dataset(tmp_path / "personas", DatasetSpec(num_personas=10, num_views=2, qa_per_persona=2))
    repository = hub.store.create("dataset", "crossmem/personas")
    files = {path.relative_to(tmp_path / "personas").as_posix(): path for path in (tmp_path / "personas").rglob("*.*")}
    changed = {
        name: hub.store.file(path.read_bytes(), lfs=name.endswith(".parquet"))
        for name, path in files.items()
        if path.is_file()
    }
    hub.store.commit(repository, "main", changed=changed)
    return hub


def launch(clients, *arguments, **how):
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_processes", "1"]
    recipe = str(ROOT / "recipes" / "unlearn_npo.py")
    return clients.run(*command, recipe, *BRIEFLY, *arguments, timeout=900, OMP_NUM_THREADS="1", **how)


def test_a_recipe_reads_from_the_hub_and_its_adapter_comes_back(published, clients):
    done = launch(clients, "--push_to_hub", "true", "--hub_model_id", "crossmem/unlearned")
    assert done.returncode == 0, done.stderr[-3000:]
    repository = published.store.find("model", "crossmem/unlearned")
    held = repository.at("main").files
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md", "chat_template.jinja"} <= set(held)
    assert not [name for name in held if name.endswith((".bin", ".pkl", ".pt"))]
    said = clients.afresh("home2").python(RELOADED)
    assert said["adapted"] == pytest.approx(said["local"], abs=1e-5)
    assert said["adapted"] == pytest.approx(said["named"], abs=1e-5)
    assert said["adapted"] != pytest.approx(said["base"], abs=1e-5)


def test_a_recipe_that_may_not_push_says_so_before_it_trains(published, clients):
    done = launch(clients, "--push_to_hub", "true", "--hub_model_id", "crossmem/unlearned", token=READ_TOKEN)
    assert done.returncode != 0
    assert "HTTP 403" in done.stderr + done.stdout
    assert not list(clients.folder.rglob("*.safetensors"))
    assert ("model", "crossmem/unlearned") not in published.store.repositories
