# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from trl import TrlParser

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.methods import METHODS
from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS
from tests.training.tiny import logged, trainer_for

LOSSES = {
    "ga": ("ga", "none"),
    "gd": ("ga", "nll"),
    "kl": ("ga", "kl"),
    "npo": ("npo", "nll"),
    "simnpo": ("simnpo", "nll"),
    "idk": ("idk", "nll"),
    "dpo": ("dpo", "nll"),
    "wga": ("wga", "nll"),
    "undial": ("undial", "none"),
    "rmu": ("rmu", "hidden"),
}


def test_table_names_losses_that_exist_and_a_paper_each():
    assert {(one.forget_loss, one.retain_loss) for one in METHODS.values()} == set(LOSSES.values())
    assert {one.forget_loss for one in METHODS.values()} <= set(FORGET_TERMS)
    assert {one.retain_loss for one in METHODS.values()} == {*RETAIN_TERMS, "none"}
    assert len({one.name for one in METHODS.values()}) == len(METHODS)
    assert all(one.paper and re.fullmatch(r"\d{4}\.\d{5}", one.arxiv) for one in METHODS.values())


def test_method_fills_in_losses_and_defaults(tmp_path):
    for name, losses in LOSSES.items():
        config = UnlearnConfig(str(tmp_path), method=name)
        assert (config.forget_loss, config.retain_loss) == losses
        assert config.learning_rate == (1e-4 if name == "undial" else 1e-5)


def test_explicit_settings_win_over_the_methods(tmp_path):
    config = UnlearnConfig(str(tmp_path), method="undial", learning_rate=1e-5, retain_loss="kl", forget_loss="undial")
    assert (config.learning_rate, config.retain_loss, config.forget_beta) == (1e-5, "kl", 10.0)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"method": "npo", "forget_loss": "simnpo"}, "method='npo' got forget_loss='simnpo'; it does 'npo' only"),
        ({"method": "ga", "retain_loss": "nll"}, "method='ga' got retain_loss='nll'; it does 'none' only"),
        ({"method": "gd", "retain_loss": "kl"}, "method='gd' got retain_loss='kl'"),
        ({"method": "nppo"}, r"Unknown method 'nppo' \(did you mean 'npo'\?\). Choose from ga, gd"),
    ],
)
def test_method_refuses_what_contradicts_it(chosen, message, tmp_path):
    with pytest.raises(CrossmemError, match=message):
        UnlearnConfig(str(tmp_path), **chosen)


def test_method_reaches_the_config_from_a_command_line(tmp_path):
    (config,) = TrlParser((UnlearnConfig,)).parse_args_and_config(["--output_dir", str(tmp_path), "--method", "rmu"])
    assert (config.forget_loss, config.retain_loss) == ("rmu", "hidden")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_and_its_card_names_it(name, tmp_path):
    trainer = trainer_for(tmp_path, method=name, rmu_layer=1, max_steps=2)
    trainer.train()
    assert len(logged(trainer, "forget_loss")) == 2
    assert bool(logged(trainer, "retain_loss")) == (LOSSES[name][1] != "none")
    trainer.create_model_card()
    card = (tmp_path / "README.md").read_text()
    assert f"trained with {METHODS[name].name}, the method of [{METHODS[name].paper}]" in card
    assert f'"crossmem", "unlearning", "{name}"' in card


def test_without_a_method_the_card_names_none(tmp_path):
    trainer = trainer_for(tmp_path, forget_loss="ga", retain_loss="kl")
    trainer.create_model_card()
    assert "trained with Unlearn, by `crossmem_hf`" in (tmp_path / "README.md").read_text()
