# SPDX-License-Identifier: Apache-2.0
"""What goes along when results are published, and what never does."""

import dataclasses
import json
import shutil
from io import StringIO

import pytest
import yaml
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.publishing.results import default_name, result_files
from crossmem_hf.report.record import Record
from tests.publishing.conftest import lay_adapter, measured, record_of

EVALUATED = {
    f".eval_results/{metric}_{who}.yaml"
    for metric in ("recall", "exposure")
    for source in ("image", "text")
    for who in (f"memorized_{source}", f"unlearned_{source}_forget", f"unlearned_{source}_retain")
}


def files_of(folder, **how):
    return result_files(Record.read(folder), folder, "you/results", **how)


def text(content):
    return (content if isinstance(content, bytes) else content.read_bytes()).decode()


def scored(folder, **config):
    known = {"config": "qa", "split": "forget", "metrics": ["exposure"]}
    record = record_of("score", [measured("exposure")], config=known | config)
    record.write(folder / "record.json")
    (folder / "predictions.jsonl").write_text('{"answer": "Ada"}\n')
    return folder


def test_everything_of_a_run_is_there(run_folder):
    files = files_of(run_folder)
    places = [f"adapters/{stage}_image_seed1" for stage in ("memorized", "unlearned")]
    of_adapters = ("README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json")
    assert set(files) == {
        *("README.md", "record.json", "predictions.jsonl", "report.html", "figures/matrix.png"),
        *EVALUATED,
        *(f"{place}/{name}" for place in places for name in of_adapters),
    }
    assert json.loads(text(files["record.json"])) == json.loads((run_folder / "record.json").read_text())
    assert all(yaml.safe_load(text(files[name])) for name in EVALUATED)
    weights = "memorized_image_seed1/adapter_model.safetensors"
    assert files[f"adapters/{weights}"] == run_folder / "stages" / weights


def test_the_same_results_give_the_same_bytes(run_folder):
    first, second = ({name: text(content) for name, content in files_of(run_folder).items()} for _ in range(2))
    assert first == second
    assert default_name(Record.read(run_folder)) == default_name(Record.read(run_folder))
    assert default_name(Record.read(run_folder)).startswith("crossmem-first_light-")


def test_adapters_and_answers_can_stay_at_home(run_folder):
    files = files_of(run_folder, with_adapters=False, with_items=False)
    assert set(files) == {"README.md", "record.json", "figures/matrix.png", *EVALUATED}
    shared = json.loads(text(files["record.json"]))
    assert (shared["cast"], shared["examples"], shared["items"]) == ([], [], [])
    assert len(shared["measurements"]) == len(Record.read(run_folder).measurements)


def test_answers_about_somebodys_own_rows_stay_at_home_unless_asked_for(tmp_path):
    own = tmp_path / "patients"
    own.mkdir()
    folder = scored(tmp_path, dataset=str(own))
    assert "predictions.jsonl" not in files_of(folder)
    assert "predictions.jsonl" in files_of(folder, with_items=True)
    assert str(own) not in text(files_of(folder)["record.json"])


def test_a_score_brings_its_adapter_and_what_it_was_compared_with(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    scored(theirs, adapter=str(tmp_path))
    adapter = lay_adapter(tmp_path / "out/npo")
    files = files_of(scored(tmp_path, adapter=str(adapter), retain_only=str(theirs)))
    assert {"adapter_config.json", "adapter_model.safetensors", "retain_only/record.json"} <= set(files)
    assert "retain_only/predictions.jsonl" in files
    config = json.loads(text(files["record.json"]))["config"]
    assert (config["adapter"], config["retain_only"]) == (".", "retain_only")
    read_against = files_of(scored(tmp_path, baseline=[f"base={theirs}"]))
    assert {"baseline_base/record.json", "baseline_base/predictions.jsonl"} <= set(read_against)
    assert json.loads(text(read_against["record.json"]))["config"]["baseline"] == ["base=baseline_base"]
    assert "the trainer's own card" not in text(files["README.md"])


@pytest.mark.slow
def test_published_score_is_made_again_from_what_was_published(tmp_path):
    from peft import LoraConfig, get_peft_model

    from crossmem_hf.evaluation.run import run_score
    from crossmem_hf.evaluation.settings import ScoreSettings
    from crossmem_hf.models.loading import load_model
    from crossmem_hf.studies.reproduce import reproduce

    model, _ = load_model()
    lora = LoraConfig(r=2, target_modules=r".*language_model.*\.up_proj", init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(tmp_path / "npo")
    rows = ScoreSettings(num_personas=5, max_rows=6, metrics=("exposure",))
    quiet = Console(file=StringIO())
    run_score(rows, tmp_path / "base", console=quiet)
    settings = dataclasses.replace(rows, adapter=str(tmp_path / "npo"), baseline=(f"base={tmp_path / 'base'}",))
    record = run_score(settings, tmp_path / "score", console=quiet)
    for name, content in files_of(tmp_path / "score").items():
        place = tmp_path / "fetched" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    shutil.rmtree(tmp_path / "npo")
    shutil.rmtree(tmp_path / "base")
    fetched = Record.read(tmp_path / "fetched")
    assert fetched.config["adapter"] == "."
    found = reproduce(fetched, tmp_path / "fetched", tmp_path / "again", find=None, source="you/npo", console=quiet)
    assert found.holds(exact=True)
    assert found.fingerprints_now["data"] == record.fingerprints["data"]


def test_a_token_or_a_place_of_this_machine_is_not_shared(run_folder):
    answers = run_folder / "predictions.jsonl"
    answers.write_text(json.dumps({"answer": "hf_" + "a" * 34}))
    with pytest.raises(CrossmemError, match=r"'predictions\.jsonl' holds what looks like a token") as caught:
        files_of(run_folder)
    assert "aaaa" not in str(caught.value)
    answers.write_text(json.dumps({"answer": "ghp_" + "b" * 36}))
    with pytest.raises(CrossmemError, match=r"'predictions\.jsonl' holds what looks like a token"):
        files_of(run_folder)
    answers.write_text(json.dumps({"answer": str(run_folder.resolve() / "x")}))
    with pytest.raises(CrossmemError, match=r"'predictions\.jsonl' names a folder of this machine"):
        files_of(run_folder)


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(CrossmemError, match=r"Could not read .*record\.json"):
        files_of(tmp_path)


def test_a_run_on_somebodys_folder_names_it_without_its_place(run_folder):
    record = Record.read(run_folder)
    config = record.config | {"model_name_or_path": "/data/models/tuned"}
    record.model_copy(update={"config": config}).write(run_folder / "record.json")
    config = json.loads(text(files_of(run_folder)["record.json"]))["config"]
    assert config["model_name_or_path"] == "tuned"
