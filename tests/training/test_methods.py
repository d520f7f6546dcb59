# SPDX-License-Identifier: Apache-2.0
import inspect
import re
from typing import get_args

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training import methods
from crossmem_hf.training.config import ForgetLoss, UnlearnConfig
from crossmem_hf.training.methods import METHODS
from crossmem_hf.training.trainer import UnlearnTrainer
from tests.training.world import logged, trainer_for

every_method = pytest.mark.parametrize("name", METHODS)
PINS = {
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


def test_every_forget_loss_has_a_method_and_classes_are_listed():
    assert {METHODS[name]._losses[0] for name in METHODS} == set(get_args(ForgetLoss))
    classes = [kind for _, kind in inspect.getmembers(methods, inspect.isclass) if kind.__module__ == methods.__name__]
    assert {kind for kind in classes if issubclass(kind, UnlearnTrainer)} == set(METHODS.values())


@every_method
def test_a_methods_settings_choose_its_losses(name, tmp_path):
    method = METHODS[name]
    config = method.config_class(output_dir=str(tmp_path))
    assert isinstance(config, UnlearnConfig)
    assert (config.forget_loss, config.retain_loss) == PINS[name]
    assert PINS[name][: len(method._losses)] == method._losses


@every_method
def test_a_methods_card_names_it_and_its_paper(name):
    method = METHODS[name]
    assert method._tag_names == ["crossmem", "unlearning", name]
    assert re.fullmatch(r"\d{4}\.\d{5}", method._paper["id"])
    assert method._paper["title"]
    assert method.__name__ == f"{method._name.replace('IDK', 'Idk')}Trainer"


@every_method
def test_a_method_takes_no_other_forget_loss(name, tmp_path):
    other = "npo" if name != "npo" else "simnpo"
    with pytest.raises(CrossmemError, match=f"got forget_loss='{other}'; it does '{PINS[name][0]}' only"):
        trainer_for(tmp_path, cls=METHODS[name], config=UnlearnConfig, forget_loss=other, rmu_layer=0)


@pytest.mark.parametrize(("name", "retain_loss"), [("ga", "nll"), ("gd", "kl"), ("kl", "none")])
def test_a_method_that_is_its_retain_loss_takes_no_other(name, retain_loss, tmp_path):
    config = METHODS[name].config_class
    with pytest.raises(CrossmemError, match=f"got retain_loss='{retain_loss}'"):
        trainer_for(tmp_path, cls=METHODS[name], config=config, retain_loss=retain_loss)


@every_method
def test_every_method_trains(name, tmp_path):
    method = METHODS[name]
    trainer = trainer_for(tmp_path, cls=method, config=method.config_class, rmu_layer=1, max_steps=2)
    trainer.train()
    assert len(logged(trainer, "forget_loss")) == 2
    assert bool(logged(trainer, "retain_loss")) == (PINS[name][1] != "none")
