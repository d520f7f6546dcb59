# SPDX-License-Identifier: Apache-2.0
"""One set of numbers for the embedded model: the library, the recipes and the main job agree."""

import pytest
import yaml

from crossmem_hf.studies.first_light import FirstLightSettings
from crossmem_hf.training.micro import ADAPTED, MEMORIZING, UNLEARNING


@pytest.mark.parametrize(("recipe", "settings"), [("sft", MEMORIZING), ("unlearn_npo", UNLEARNING)])
def test_recipes_say_the_same(root, recipe, settings):
    written = yaml.safe_load((root / "recipes" / f"{recipe}.yaml").read_text())
    assert {name: written[name] for name in settings} == settings
    assert written["lora_target_modules"] == ADAPTED


def test_the_main_job_uses_them():
    main = FirstLightSettings()
    assert main.lora_target_modules == ADAPTED
    assert main.memorize_steps == MEMORIZING["max_steps"]
    assert main.memorize_learning_rate == MEMORIZING["learning_rate"]
    assert main.unlearn_learning_rate == UNLEARNING["learning_rate"]
    assert (main.forget_beta, main.retain_weight) == (0.1, UNLEARNING["retain_weight"])
    assert (main.stop_threshold, main.stop_every_steps) == (UNLEARNING["stop_threshold"], 5)
