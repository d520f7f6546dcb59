# SPDX-License-Identifier: Apache-2.0
"""The scripts that call it are run in tests/recipes."""

import json
import runpy
from dataclasses import dataclass
from itertools import product

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training import arguments, recipe
from crossmem_hf.training.config import UnlearnConfig, arg

SMALL = ["--num_personas", "5", "--num_views", "2", "--max_steps", "2", "--per_device_train_batch_size", "4"]
OPTIONS = [*SMALL, "--disable_tqdm", "true", "--report_to", "none", "--allow_unmemorized", "true"]
BOTH = "recall_image+recall_text"
BRIEFLY = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "save_strategy": "no"}
RECALL = "crossmem_hf.evaluation.evaluator.Evaluator.recall"


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    monkeypatch.setattr(arguments, "MEMORIZING", BRIEFLY)
    monkeypatch.setattr(arguments, "MEMORIZING_BOTH", BRIEFLY)


@pytest.mark.parametrize(
    ("modality", "modalities"), [("image", {"image"}), ("text", {"text"}), ("both", {"image", "text"})]
)
def test_the_modality_is_one_choice(modality, modalities, root, tmp_path, monkeypatch):
    """Of the rows to forget, which the card names, and of the rows that say when to stop."""
    looked = []
    monkeypatch.setattr(RECALL, lambda own, model, processor: looked.append(set(own.rows["modality"])) or 1.0)
    chosen = ["--stop_every_steps", "2", "--dataset_config", BOTH, "--forget_modality", modality]
    script = str(root / "recipes" / "unlearn.py")
    said = recipe.unlearn_recipe(script, None, [*OPTIONS, *chosen, "--output_dir", str(tmp_path)])
    assert looked == [modalities]
    assert said == [
        "step    2: recall 1.00 of the personas to forget, on views kept for stopping",
        f"The unlearned adapter is in {tmp_path}",
    ]
    assert f"| forget_modality | {modality} |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", ["unlearn", "unlearn_dpo"])
def test_a_run_that_is_evaluated(name, root, tmp_path, capsys):
    """In both modalities though it trains on one; numbers are in the trainer's log, and the best beside the last."""
    chosen = ["--evaluate_every_steps", "1", "--save_strategy", "steps", "--save_steps", "2"]
    runpy.run_path(str(root / "recipes" / f"{name}.py"))["main"]([*OPTIONS, *chosen, "--output_dir", str(tmp_path)])
    logged = json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())["log_history"]
    evaluations = [entry for entry in logged if "memorization/harmonic_mean" in entry]
    assert [entry["step"] for entry in evaluations] == [0, 1, 2]
    sides, modalities, numbers = ("forget", "retain"), ("image", "text"), ("recall", "exposure")
    assert {f"memorization/{'_'.join(name)}" for name in product(sides, modalities, numbers)} <= set(evaluations[0])
    best = json.loads((tmp_path / "best" / "best.json").read_text())
    assert best["step"] in (1, 2)
    assert (tmp_path / "best" / "adapter_model.safetensors").exists()
    if name == "unlearn":
        assert f"step    {best['step']}: the best evaluation (forget_image_exposure" in capsys.readouterr().out


@dataclass
class AscentConfig(UnlearnConfig):
    """As `npo.NPOConfig` is, for another method."""

    method: str | None = arg("ga", "The method.")


def test_config_class_of_a_method_takes_no_other_loss(root, tmp_path):
    script, folder = str(root / "recipes" / "unlearn.py"), ["--output_dir", str(tmp_path), "--stop_threshold", "null"]
    with pytest.raises(CrossmemError, match="method='ga' got forget_loss='npo'"):
        recipe.unlearn_recipe(script, AscentConfig, [*OPTIONS, *folder, "--forget_loss", "npo"])


def test_a_mistake_costs_no_work(root, tmp_path, monkeypatch):
    monkeypatch.setattr(arguments, "load_rows", lambda *args, **kwargs: pytest.fail("it went to work"))
    resume = ["--resume_from_checkpoint", str(tmp_path / "checkpoint-9")]
    with pytest.raises(CrossmemError, match="no such folder"):
        recipe.unlearn_recipe(str(root / "recipes" / "unlearn.py"), None, [*OPTIONS, *resume])


@pytest.mark.parametrize("name", ["unlearn", "unlearn_npo", "unlearn_dpo"])
def test_people_who_are_not_known_are_not_unlearned(name, root, tmp_path, monkeypatch):
    """Every unlearning recipe asks before its first step."""
    strict = [option for option in OPTIONS if option != "--allow_unmemorized"][:-1]
    script = root / "recipes" / f"{name}.py"
    monkeypatch.setattr("transformers.Trainer.train", lambda *args, **kwargs: pytest.fail("it trained"))
    monkeypatch.setattr("crossmem_hf.training.arguments.memorize", lambda model, *args, **kwargs: model)
    with pytest.raises(CrossmemError, match=r"not memorized: recall image 0\.\d\d \(n=2\); expected at least 0\.9"):
        runpy.run_path(str(script))["main"]([*strict, "--output_dir", str(tmp_path)])
