# SPDX-License-Identifier: Apache-2.0
"""One set of numbers for the embedded model: the library, the recipes and the study agree."""

from types import SimpleNamespace

import pytest
import yaml

from crossmem_hf.models.embedded import BASES
from crossmem_hf.studies.settings import TrainingSettings
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.micro import ADAPTED, MEMORIZING, NPO_THROUGH_ONE, TUNED, UNLEARNING, suited


@pytest.mark.parametrize(("recipe", "settings"), [("sft", MEMORIZING), ("unlearn_npo", UNLEARNING)])
def test_recipes_say_the_same(root, recipe, settings):
    written = yaml.safe_load((root / "recipes" / f"{recipe}.yaml").read_text())
    assert {name: written[name] for name in settings} == settings
    assert written["lora_target_modules"] == ADAPTED


def test_first_light_uses_them():
    main = TrainingSettings()
    assert main.lora_target_modules == ADAPTED
    assert main.memorize_steps == MEMORIZING["max_steps"]
    assert main.memorize_learning_rate == MEMORIZING["learning_rate"]
    chosen = {"learning_rate": main.unlearn_learning_rate, "retain_weight": main.retain_weight}
    assert chosen == NPO_THROUGH_ONE
    assert main.forget_beta == 0.1


def test_suited_fills_in_what_was_not_given_for_the_embedded_model():
    embedded, other = (SimpleNamespace(name_or_path=name) for name in (str(BASES["micro-s"]), "other/model"))
    config = UnlearnConfig("out", method="gd", max_steps=7, report_to="none")
    chosen = suited(config, embedded)
    assert (chosen.learning_rate, chosen.max_steps) == (TUNED["gd"]["learning_rate"], 7)
    assert chosen.retain_weight == UNLEARNING["retain_weight"]
    assert suited(config, other) is config
    losses = UnlearnConfig("out", forget_loss="npo", report_to="none")
    assert suited(losses, embedded) is losses, "no method is named"


@pytest.mark.parametrize("name", ["crossmem/micro-s", "/opt/crossmem_hf/models/bases/micro-l"])
def test_suited_knows_the_whole_family(name):
    config = UnlearnConfig("out", method="gd", report_to="none")
    assert suited(config, SimpleNamespace(name_or_path=name)).learning_rate == TUNED["gd"]["learning_rate"]
