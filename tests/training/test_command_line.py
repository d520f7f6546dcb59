# SPDX-License-Identifier: Apache-2.0
"""What recipes are told, and what is wrong with it in one line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.command_line import parsed, run_recipe, with_default_config


@dataclass
class Settings:
    max_steps: int = field(default=1)
    forget_loss: str = field(default="npo")
    method: Literal["npo", "ga"] = field(default="npo")

    def __post_init__(self):
        if self.max_steps > 9:
            raise ValueError("too many\nsteps")


def told(tmp_path, text, *words):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return parsed("none.py", (Settings,), ["--config", str(path), *words])[0]


def test_options_replace_a_yaml(tmp_path):
    assert told(tmp_path, "max_steps: 3\nforget_loss: ga\nenv: {}", "--max-steps", "4") == Settings(4, "ga")
    assert parsed("none.py", (Settings,), [f"--config={tmp_path / 'run.yaml'}"]) == (Settings(3, "ga"),)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (
            "max_step: 3\nother: 1",
            ["--forget_los", "npo", "--forget_loss=ga"],
            "Unknown settings: 'forget_los' (did you mean 'forget_loss'?), 'max_step' (did you mean 'max_steps'?), "
            "'other'.",
        ),
        ("max_steps: 3", ["--max_steps", "many"], "Argument --max_steps: invalid int value: 'many'."),
        ("max_steps: many", [], "Argument --max_steps: invalid int value: 'many'."),
        ("max_steps: 3", ["--method", "rmu"], "Argument --method: invalid choice: 'rmu'"),
        ("max_steps: 3", ["stray"], "These settings do not go: Some specified arguments are not used"),
        ("max_steps: 10", [], "These settings do not go: too many steps"),
        ("a: [", [], "Could not read settings from"),
        ("- a", [], "is not a list of settings"),
    ],
)
def test_mistakes_are_one_line(text, words, said, tmp_path):
    with pytest.raises(CrossmemError) as caught:
        told(tmp_path, text, *words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["--config"], ["--config", "nowhere.yaml"]])
def test_config_that_is_not_there(words):
    with pytest.raises(CrossmemError, match=r"--config came without|Could not read settings from 'nowhere.yaml'"):
        parsed("none.py", (Settings,), words)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["--config", "SETTINGS"]),
        (["--max_steps", "5"], ["--config", "SETTINGS", "--max_steps", "5"]),
        (["--config", "mine.yaml"], ["--config", "mine.yaml"]),
        (["--model_name_or_path=a/b"], ["--model_name_or_path=a/b"]),
        (["--model_name_or_path", "a/b"], ["--model_name_or_path", "a/b"]),
        (["--model_name_or_path"], ["--model_name_or_path"]),
        (["--model_name_or_path=micro-s"], ["--config", "SETTINGS", "--model_name_or_path=micro-s"]),
        (["--model_name_or_path", "micro-s"], ["--config", "SETTINGS", "--model_name_or_path", "micro-s"]),
        (["--config=a.yaml", "--model_name_or_path=micro-s"], ["--config=a.yaml", "--model_name_or_path=micro-s"]),
        (["--help"], ["--help"]),
    ],
)
def test_settings_for_embedded_models_are_used_only_with_them(given, expected, tmp_path):
    path = tmp_path / "sft.yaml"
    path.touch()
    words = [str(path) if word == "SETTINGS" else word for word in expected]
    assert with_default_config(str(tmp_path / "sft.py"), given) == words


def test_settings_of_a_recipe_that_was_sent_alone_are_the_shipped_ones(root, tmp_path):
    _, settings = with_default_config(str(tmp_path / "sft.py"), [])
    assert Path(settings).resolve() == root / "recipes" / "sft.yaml"


def test_a_recipe_says_a_mistake_in_one_line(capsys):
    def mistaken():
        raise CrossmemError("No rows.", "Get some.")

    with pytest.raises(SystemExit) as caught:
        run_recipe(mistaken)
    assert caught.value.code == "error: No rows. Get some."
