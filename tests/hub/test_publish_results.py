# SPDX-License-Identifier: Apache-2.0
"""Results pushed to the stand-in, fetched from there by PEFT, and made again."""

import json
import shutil
import sys

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.publishing.records import located_record
from crossmem_hf.publishing.results import publish_results, result_files
from crossmem_hf.report.record import Record
from tests.hub.accounts import OTHER_TOKEN, READ_TOKEN, WRITE_TOKEN
from tests.hub.here import client_of, contents, write
from tests.publishing.conftest import lay_adapter

pytestmark = pytest.mark.hub

SHORT = """
num_views: 2
memorize_steps: 2
memorize_batch_size: 4
evaluate_at: 2
unlearn_batch_size: 2
allow_unmemorized: true
"""

LOAD = """
import json
from huggingface_hub import hf_hub_download
from peft import PeftModel
from safetensors.torch import load_file

from crossmem_hf.models.loading import adapter_place, load_model

name = "ada/short/adapters/memorized_text_seed0"
repo_id, subfolder = adapter_place(name)
base, _ = load_model()
model = PeftModel.from_pretrained(base, repo_id, subfolder=subfolder)
again, processor = load_model(adapter=name)
held = load_file(hf_hub_download(repo_id, "adapter_model.safetensors", subfolder=subfolder))
loaded = {key: value for key, value in model.state_dict().items() if "lora_" in key}
same = all((again.state_dict()[key] == value).all() for key, value in loaded.items())
print(json.dumps([len(held), len(loaded), bool(same), len(processor.tokenizer) > 0]))
"""
WEIGHTS = "adapters/unlearned_text_seed0/adapter_model.safetensors"


@pytest.fixture
def log_in(hub, monkeypatch):
    chosen = client_of(hub, monkeypatch)
    chosen(WRITE_TOKEN)
    return chosen


@pytest.fixture
def run_folder(root, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(root / "results/first_light/record.json", folder)
    (folder / "predictions.jsonl").write_text('{"answer": "Ada"}\n')
    lay_adapter(folder / "stages/unlearned_text_seed0", stage="unlearned", source="text", seed=0)
    return folder


def model(hub, name="ada/results"):
    return contents(hub, "model", name)


def test_what_is_published_is_what_was_laid_out_and_again_costs_nothing(hub, log_in, run_folder):
    done = publish_results(run_folder, "ada/results")
    assert done.changed
    assert done.address == f"{hub.url}/ada/results"
    wanted = result_files(Record.read(run_folder), run_folder, "ada/results")
    read = {name: content if isinstance(content, bytes) else content.read_bytes() for name, content in wanted.items()}
    assert model(hub) == read
    assert ".eval_results/recall_unlearned_image_forget.yaml" in read
    assert hub.store.find("model", "ada/results").at("main").files[WEIGHTS].lfs
    commits = hub.count("commit")
    assert not publish_results(run_folder, "ada/results").changed
    assert hub.count("commit") == commits


def test_without_a_name_it_goes_under_the_owner_of_the_token(hub, log_in, run_folder):
    done = publish_results(run_folder)
    assert done.repo_id.startswith("ada/crossmem-first_light-")
    assert "record.json" in model(hub, done.repo_id)


def test_an_adapter_that_is_gone_is_removed_and_notes_of_others_stay(hub, log_in, run_folder):
    publish_results(run_folder, "ada/results")
    write(hub, "model", "ada/results", {"notes.txt": b"kept"})
    publish_results(run_folder, "ada/results", with_adapters=False)
    held = model(hub)
    assert not [name for name in held if name.startswith("adapters/")]
    assert held["notes.txt"] == b"kept"


@pytest.mark.parametrize(("token", "said"), [(READ_TOKEN, "HTTP 403"), (OTHER_TOKEN, "under the namespace 'ada'")])
def test_without_the_right_nothing_is_laid_out_or_sent(hub, log_in, run_folder, monkeypatch, token, said):
    log_in(token)
    monkeypatch.setattr("crossmem_hf.publishing.results.result_files", lambda *_, **__: pytest.fail("too early"))
    with pytest.raises(CrossmemError, match=said) as caught:
        publish_results(run_folder, "ada/results")
    assert token not in str(caught.value)
    assert {request.endpoint for request in hub.requests} <= {"auth-check", "create", "info"}


def test_somebody_elses_model_is_left_alone(hub, log_in, run_folder):
    write(hub, "model", "ada/results", {"model.safetensors": b"theirs"})
    with pytest.raises(CrossmemError, match="was not published by us"):
        publish_results(run_folder, "ada/results")
    assert model(hub) == {"model.safetensors": b"theirs"}


def test_an_interrupted_upload_leaves_nothing_and_the_next_one_ends_it(hub, log_in, run_folder, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fault = hub.fail("lfs", status=500, times=None)
    with pytest.raises(CrossmemError, match="Could not push to the model 'ada/results'"):
        publish_results(run_folder, "ada/results")
    assert fault.struck
    assert model(hub) == {}
    hub.faults.clear()
    hub.fail("lfs", corrupt=True)
    hub.fail("commit", drop=True, late=True)
    publish_results(run_folder, "ada/results")
    assert model(hub)[WEIGHTS] == (run_folder / "stages/unlearned_text_seed0/adapter_model.safetensors").read_bytes()
    assert len(hub.store.find("model", "ada/results").commits) == 2, "the first one, and ours once"


def test_a_pull_request_is_opened_once(hub, log_in, run_folder):
    write(hub, "model", "crossmem/results", {"record.json": b"{}"})
    log_in(OTHER_TOKEN)
    first, second = (publish_results(run_folder, "crossmem/results", create_pr=True) for _ in range(2))
    assert first.address == second.address
    assert first.address.endswith("discussions/1")
    assert model(hub, "crossmem/results") == {"record.json": b"{}"}


def test_a_record_comes_back_from_the_hub(hub, log_in, run_folder):
    publish_results(run_folder, "ada/results")
    found = located_record("ada/results")
    assert found.record == Record.read(run_folder)
    assert found.source == "ada/results"
    assert (found.folder / "predictions.jsonl").read_text() == '{"answer": "Ada"}\n'
    assert not (found.folder / "adapters").exists(), "weights that are trained again are not fetched"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"README.md": b"a card"}, "Could not read"),
        ({"record.json": b"{"}, "is not JSON"),
        ({"record.json": b'{"hello": 1}'}, "it has no schema_version|no record"),
    ],
)
def test_a_repository_without_a_record_of_ours(hub, log_in, held, said):
    write(hub, "model", "zoe/other", held)
    with pytest.raises(CrossmemError, match=said):
        located_record("zoe/other")


def test_a_repository_that_is_not_there(hub, log_in):
    with pytest.raises(CrossmemError, match="Could not fetch the record of 'ada/nothing'"):
        located_record("ada/nothing")


@pytest.mark.slow
def test_a_run_is_published_loaded_by_peft_and_reproduced(hub, clients):
    """All of it by the command line, each command a process of its own, the last ones from an empty cache."""
    (clients.folder / "short.yaml").write_text(SHORT)
    crossmem = [sys.executable, "-m", "crossmem_hf"]
    run = [*crossmem, "run", "--config", "short.yaml", "--num-personas", "5", "--seeds", "1", "--output-dir", "run"]
    ran = clients.run(*run, timeout=1800)
    assert ran.returncode == 0, ran.stderr
    pushed = clients.run(*crossmem, *["publish", "results", "run", "--repo-id", "ada/short"])
    assert pushed.returncode == 0, pushed.stderr
    assert f"published  {hub.url}/ada/short" in pushed.stderr
    afresh = clients.afresh("elsewhere")
    shutil.rmtree(clients.folder / "run")
    num_held, num_loaded, same, has_words = afresh.python(LOAD)
    assert num_held == num_loaded > 0
    assert same
    assert has_words
    made = afresh.run(*crossmem, *["reproduce", "ada/short", "--exact", "--output-dir", "again"], timeout=1800)
    assert made.returncode == 0, made.stderr
    found = json.loads((afresh.folder / "again/reproduction.json").read_text())
    assert found["source"] == "ada/short"
    assert {line["outcome"] for line in found["lines"]} == {"equal"}
