# SPDX-License-Identifier: Apache-2.0
"""Every recipe: its YAML parses into its dataclasses, it runs without a launcher, and through one (slow)."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
SCRIPTS = ("sft", "unlearn_npo", "unlearn_dpo")
ANY = "unlearn"  # any losses; for a real model it takes the settings of unlearn_npo
TINY = "layer_norm"  # makes its models itself
YAMLS = sorted(path.name for path in RECIPES.glob("*.yaml"))
SMALL = ["--num_personas", "5", "--num_views", "2", "--max_steps", "2", "--per_device_train_batch_size", "4"]
QUIET = ["--disable_tqdm", "true", "--report_to", "none"]
START = ["--allow_unmemorized", "true"]  # what two steps have taught
SAVING = ["--save_strategy", "steps", "--save_steps", "2", "--max_steps", "5", "--resume_from_checkpoint", "last"]
BRIEFLY = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "save_strategy": "no"}


def load(name):
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parser_for(name):
    from trl import TrlParser

    from crossmem_hf.training.arguments import ModelArguments, RowArguments, UnlearnArguments
    from crossmem_hf.training.config import UnlearnConfig, VisionDPOConfig, VisionSFTConfig
    from crossmem_hf.training.label_noise import LabelNoiseArguments, LabelNoiseConfig
    from crossmem_hf.training.npo import NPOConfig

    parts = {
        "sft": (RowArguments, VisionSFTConfig, ModelArguments),
        "unlearn": (RowArguments, UnlearnArguments, UnlearnConfig, ModelArguments),
        "unlearn_npo": (RowArguments, UnlearnArguments, NPOConfig, ModelArguments),
        "unlearn_dpo": (RowArguments, UnlearnArguments, VisionDPOConfig, ModelArguments),
        "layer_norm": (LabelNoiseArguments, LabelNoiseConfig),
    }
    return TrlParser(parts[name])


def test_every_script_ships_settings_for_the_embedded_and_for_a_real_model():
    of_both = {f"{name}{size}.yaml" for name in SCRIPTS for size in ("", "_llava_7b")}
    assert of_both | {f"{ANY}.yaml", f"{TINY}.yaml"} == set(YAMLS)


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_parses_into_the_recipes_dataclasses(name, tmp_path):
    path = RECIPES / name
    settings = yaml.safe_load(path.read_text())
    assert len(path.read_text().splitlines()) <= 30
    script = name.removesuffix(".yaml").removesuffix("_llava_7b")
    parts = parser_for(script).parse_args_and_config(["--config", str(path), "--output_dir", str(tmp_path)])
    parsed = {key: value for part in parts for key, value in vars(part).items()}
    for key, value in settings.items():
        if key not in ("output_dir", "save_strategy", "lr_scheduler_type"):
            assert parsed[key] == value, key


def test_yaml_for_the_7b_model_has_the_papers_values():
    memorize, npo, dpo = (yaml.safe_load((RECIPES / f"{name}_llava_7b.yaml").read_text()) for name in SCRIPTS)
    assert (memorize["lora_r"], memorize["lora_alpha"], memorize["learning_rate"]) == (64, 128, 5e-5)
    for settings in (memorize, npo, dpo):
        assert settings["model_name_or_path"] == "llava-hf/llava-1.5-7b-hf"
        assert settings["num_train_epochs"] == 5
        assert 4 * settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"] == 64
    assert npo["learning_rate"] == dpo["learning_rate"] == 2e-5
    assert npo["forget_fraction"] == dpo["forget_fraction"] == 0.2


def test_a_yaml_key_that_does_not_exist(tmp_path):
    path = tmp_path / "typo.yaml"
    path.write_text("output_dir: x\nretain_wieght: 2.0\n")
    with pytest.raises(ValueError, match="retain_wieght"):
        load("unlearn_npo").main(["--config", str(path)])


def test_a_choice_that_does_not_exist(tmp_path):
    from crossmem_hf.errors import CrossmemError

    path = tmp_path / "choice.yaml"
    path.write_text("output_dir: x\nretain_loss: kll\n")
    with pytest.raises(CrossmemError, match="Unknown retain_loss 'kll'"):
        load("unlearn_npo").main(["--config", str(path)])


def test_each_recipe_runs_and_writes_an_adapter_that_loads(tmp_path, capsys):
    from peft import PeftModel

    from crossmem_hf.models.loading import load_model

    def run(name, *extra):
        out = tmp_path / name
        load(name).main([*SMALL, *QUIET, "--output_dir", str(out), *extra])
        assert "adapter is in" in capsys.readouterr().out
        assert {"adapter_model.safetensors", "README.md", "processor_config.json"} <= {p.name for p in out.iterdir()}
        assert not (out / "ref").exists()
        model = PeftModel.from_pretrained(load_model()[0], str(out))
        return {key: value for key, value in model.state_dict().items() if "lora_" in key}

    memorized = run("sft")
    start = ["--adapter_name_or_path", str(tmp_path / "sft"), *START]
    npo = run("unlearn_npo", *start, "--stop_every_steps", "1", "--stop_threshold", "0.0")
    dpo = run("unlearn_dpo", *start)
    for unlearned in (npo, dpo):
        assert unlearned.keys() == memorized.keys()
        assert any(not (unlearned[key] == memorized[key]).all() for key in memorized)


@pytest.mark.parametrize("split", ["forget", "forget+retain"])
def test_dpo_trains_on_the_pairs_of_the_dataset_as_they_are(learned, split, tmp_path, monkeypatch):
    import trl

    given = []

    class Seen(trl.DPOTrainer):
        def __init__(self, *arguments, **options):
            given.append(options["train_dataset"])
            super().__init__(*arguments, **options)

    monkeypatch.setattr(trl, "DPOTrainer", Seen)
    rows = ["--dataset_config", "preference", "--dataset_split", split, "--qa_per_persona", "2"]
    start = ["--adapter_name_or_path", learned, *START]
    load("unlearn_dpo").main([*SMALL, *QUIET, *rows, *start, "--output_dir", str(tmp_path)])
    (pairs,) = given
    assert len(pairs) == (1 if split == "forget" else 5) * (2 * 2 + 2 * 2)
    refusing = [pair["rejected"][0]["content"] == pair["answer"] for pair in pairs.remove_columns("images")]
    assert sum(refusing) == 8
    assert weights_of(tmp_path).keys() == weights_of(Path(learned)).keys()


@pytest.mark.parametrize(
    ("config", "split"), [("two_hop", "bridge_image+facts"), ("multi_image", "train"), ("robust", "forget+retain")]
)
def test_memorizing_takes_the_further_configs(config, split, tmp_path):
    rows = ["--dataset_config", config, "--dataset_split", split]
    load("sft").main([*SMALL, *QUIET, *rows, "--output_dir", str(tmp_path)])
    assert (tmp_path / "adapter_model.safetensors").exists()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """An adapter that knows five people as little as two steps teach."""
    folder = tmp_path_factory.mktemp("learned")
    load("sft").main([*SMALL, *QUIET, "--output_dir", str(folder), "--lora_dropout", "0.1"])
    return str(folder)


class Killed(BaseException):
    """Nothing after it is done, as when a process is killed; tests/training/killed.py kills in earnest."""


def weights_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def die_at(monkeypatch, step):
    """The next trainer dies while it writes the checkpoint of this step."""
    from transformers import Trainer

    def half_written(self, output_dir):
        if self.state.global_step == step:
            raise Killed
        written(self, output_dir)

    written = Trainer._save_rng_state
    monkeypatch.setattr(Trainer, "_save_rng_state", half_written)


@pytest.mark.parametrize("name", ["sft", pytest.param("unlearn", marks=pytest.mark.slow), "unlearn_dpo"])
def test_a_killed_recipe_goes_on_as_if_nothing_had_been(name, learned, tmp_path, monkeypatch):
    start = [] if name == "sft" else ["--adapter_name_or_path", learned, *START]
    options = [*SMALL, *QUIET, *start, *SAVING, "--lora_dropout", "0.1"]
    load(name).main([*options, "--output_dir", str(tmp_path / "whole")])
    with monkeypatch.context() as dying:
        die_at(dying, 4)
        with pytest.raises(Killed):
            load(name).main([*options, "--output_dir", str(tmp_path / "killed")])
    assert not (tmp_path / "killed" / "adapter_model.safetensors").exists()
    load(name).main([*options, "--output_dir", str(tmp_path / "killed")])
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    assert all((whole[key] == resumed[key]).all() for key in whole)


def test_what_a_killed_recipe_memorized_is_not_memorized_again(tmp_path, monkeypatch, caplog):
    """Nor is it taken for what other rows or another seed would have made, or when it is not whole."""
    from crossmem_hf.training import arguments

    monkeypatch.setattr(arguments, "MEMORIZING", BRIEFLY)
    memorized, queried = arguments.memorize, []
    monkeypatch.setattr(arguments, "memorize", lambda *a, **k: queried.append(k["output_dir"]) or memorized(*a, **k))
    options = [*SMALL, *QUIET, *START, *SAVING, "--output_dir", str(tmp_path)]
    with monkeypatch.context() as dying:
        die_at(dying, 4)
        with pytest.raises(Killed):
            load("unlearn").main(options)
    load("unlearn").main(options)
    assert len(queried) == 1
    options += ["--max_steps", "1"]
    load("unlearn").main([*options, "--seed", "1"])
    assert len(queried) == 2
    load("unlearn").main([*options, "--seed", "1", "--num_views", "3"])
    assert len(queried) == 3
    (tmp_path / "memorized" / "done.json").unlink()
    load("unlearn").main([*options, "--seed", "1", "--num_views", "3"])
    assert len(queried) == 4


def test_dpo_that_blows_up_is_not_saved(tmp_path):
    from crossmem_hf.errors import CrossmemError

    load("sft").main([*SMALL, *QUIET, "--output_dir", str(tmp_path / "sft")])
    wild = ["--adapter_name_or_path", str(tmp_path / "sft"), *START, "--learning_rate", "1e38", "--max_steps", "4"]
    with pytest.raises(CrossmemError, match="weights NaN or infinite"):
        load("unlearn_dpo").main([*SMALL, *QUIET, *wild, "--output_dir", str(tmp_path / "dpo")])
    assert not (tmp_path / "dpo" / "adapter_model.safetensors").exists()
    assert (tmp_path / "dpo" / "last_good" / "adapter_model.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sft", ["--packing", "true"], "packing=True would have no effect"),
        ("sft", ["--eval_strategy", "steps"], "no rows to evaluate on"),
        ("unlearn", ["--label_smoothing_factor", "0.1"], r"label_smoothing_factor=0\.1 would have no effect"),
        ("unlearn_npo", ["--eval_strategy", "steps"], "no rows to evaluate on"),
        (
            "unlearn_npo",
            ["--dataloader_drop_last", "true"],
            "2 rows in batches of 4: training would end after 0 steps",
        ),
        ("unlearn_dpo", ["--label_smoothing_factor", "0.1"], r"label_smoothing_factor=0\.1 would have no effect"),
        ("unlearn_dpo", ["--max_steps", "0"], "max_steps=0 would end after 0 steps"),
        ("layer_norm", ["--max_steps", "0"], "max_steps=0 would end after 0 steps"),
        ("layer_norm", ["--push_to_hub", "true"], "push_to_hub=True would have no effect"),
        ("layer_norm", ["--eval_strategy", "steps"], "no rows to evaluate on"),
    ],
)
def test_settings_without_effect_cost_no_model(name, options, message, tmp_path, monkeypatch):
    from crossmem_hf.errors import CrossmemError

    monkeypatch.setattr(
        "crossmem_hf.training.arguments.load_model", lambda *_, **__: pytest.fail("a model was loaded")
    )
    small = [] if name == TINY else SMALL
    with pytest.raises(CrossmemError, match=message):
        load(name).main([*small, *QUIET, *options, "--output_dir", str(tmp_path)])


def test_layer_norm_prints_scores_and_writes_a_record(tmp_path, capsys):
    from crossmem_hf.report.record import Record

    few = ["--num_personas", "40", "--num_test_personas", "10", "--max_steps", "3"]
    load(TINY).main([*few, *QUIET, "--layers", "none+middle", "--output_dir", str(tmp_path)])
    printed = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    assert [line.split(":")[0].split("[")[0][:30] for line in printed[::3]] == [
        "norms without weights",
        "norms without weights",
        f"The record and the models are in {tmp_path}"[:30],
    ]
    assert sum("of 2 noisy labels" in line for line in printed) == 2
    record = Record.read(tmp_path)
    for layers in ("none", "middle"):
        scores = [record.one(f"{name}_score", layers=layers, model="bert") for name in ("memorization", "recovery")]
        assert all(score.n == 2 for score in scores)
        assert (tmp_path / layers / "model.safetensors").exists()


def test_dpo_refuses_an_adapter_that_it_would_keep_no_true_copy_of(tmp_path, monkeypatch):
    from peft import LoraConfig

    from crossmem_hf.errors import CrossmemError
    from crossmem_hf.training.arguments import ModelArguments

    layers = r".*language_model.*\.down_proj"
    monkeypatch.setattr(ModelArguments, "lora", lambda self: LoraConfig(r=2, target_modules=layers, bias="all"))
    load("sft").main([*SMALL, *QUIET, "--output_dir", str(tmp_path / "sft")])
    start = ["--adapter_name_or_path", str(tmp_path / "sft"), *START]
    with pytest.raises(CrossmemError, match=r"trl\.DPOTrainer keeps no true copy.*unlearn\.py with --forget_loss dpo"):
        load("unlearn_dpo").main([*SMALL, *QUIET, *start, "--output_dir", str(tmp_path / "dpo")])
    load("unlearn").main(
        [
            *SMALL,
            *QUIET,
            *start,
            "--forget_loss",
            "dpo",
            "--stop_threshold",
            "null",
            "--output_dir",
            str(tmp_path / "own"),
        ]
    )
    assert any("bias" in name for name in weights_of(tmp_path / "own"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unlearn", "unlearn_npo", "unlearn_dpo"])
def test_without_arguments_through_accelerate(name, tmp_path):
    """As a newcomer would: no arguments but the folder, so that nothing is left in the repository."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "recipes/accelerate/cpu.yaml"]
    done = subprocess.run(
        [*command, f"recipes/{name}.py", "--output_dir", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "language model" in done.stdout + done.stderr
    assert (tmp_path / "out" / "memorized" / "adapter_model.safetensors").exists()
    assert (tmp_path / "out" / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_layer_norm_memorizes_through_accelerate(tmp_path):
    """At its default settings: what was taught is nearly all memorized as long as norms have their weights."""
    from crossmem_hf.report.record import Record

    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "recipes/accelerate/cpu.yaml"]
    done = subprocess.run(
        [*command, "recipes/layer_norm.py", "--output_dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    record = Record.read(tmp_path)
    assert record.one("memorization_score", layers="none", model="bert").value >= 0.9
    assert record.one("test_accuracy", layers="none", model="bert").value > 0.8
