# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields

import pytest
import torch
from trl import SFTConfig, TrlParser

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import RunConfig, UnlearnConfig, VisionDPOConfig, VisionSFTConfig
from crossmem_hf.training.npo import NPOConfig

RUN = ["stop_threshold", "stop_every_steps", "reference_cache"]
OWN = [
    *("method", "forget_loss", "forget_modality", "forget_beta", "forget_weight", "refusals", "simnpo_delta"),
    *("rmu_layer", "rmu_coefficient", "retain_loss", "retain_weight", "retain_per_forget"),
]
CONFIGS = [VisionSFTConfig, VisionDPOConfig, UnlearnConfig, NPOConfig]
on_cpu = pytest.mark.skipif(torch.accelerator.is_available(), reason="says what happens without a GPU")


@pytest.mark.parametrize("config_class", CONFIGS)
def test_defaults_suit_rows_with_images(config_class, tmp_path, recwarn):
    config = config_class(output_dir=str(tmp_path))
    assert config.max_length is None
    assert not config.remove_unused_columns or config_class is VisionDPOConfig
    assert not config.gradient_checkpointing
    assert not config.activation_checkpointing
    assert not [w for w in recwarn if "checkpointing" in str(w.message)]


@on_cpu
@pytest.mark.parametrize("config_class", CONFIGS)
def test_defaults_suit_a_machine_without_gpu(config_class, tmp_path):
    config = config_class(output_dir=str(tmp_path))
    assert config.use_cpu
    assert config.bf16 is False
    assert not config.dataloader_pin_memory


def test_asked_for_checkpointing_is_switched_on(tmp_path, recwarn):
    config = UnlearnConfig(output_dir=str(tmp_path), gradient_checkpointing=True)
    assert config.activation_checkpointing
    assert not [w for w in recwarn if "checkpointing" in str(w.message)]


@pytest.mark.parametrize(
    ("config_class", "base", "names"), [(RunConfig, SFTConfig, RUN), (UnlearnConfig, RunConfig, OWN)]
)
def test_own_fields_are_few_listed_and_explained(config_class, base, names):
    upstream = {field.name for field in fields(base)}
    own = [field for field in fields(config_class) if field.name not in upstream]
    assert [field.name for field in own] == names
    assert len(own) <= 13
    assert all(len(field.metadata["help"]) > 20 for field in own)


def test_defaults_are_those_of_the_paper(tmp_path):
    config = UnlearnConfig(output_dir=str(tmp_path))
    assert (config.forget_loss, config.forget_beta, config.learning_rate) == ("npo", 0.1, 1e-5)
    assert (config.retain_loss, config.retain_weight, config.weight_decay) == ("nll", 1.0, 0.01)
    assert (config.forget_weight, config.retain_per_forget) == (1.0, 1)
    ascent = UnlearnConfig(output_dir=str(tmp_path), method="ga")
    assert (ascent.forget_loss, ascent.retain_loss) == ("ga", "none")


@pytest.mark.parametrize(
    ("loss", "beta", "weight"),
    [("npo", 0.1, 1.0), ("dpo", 0.1, 1.0), ("simnpo", 4.5, 0.125), ("wga", 1.0, 1.0), ("undial", 10.0, 1.0)],
)
def test_each_loss_has_its_published_beta_unless_told(loss, beta, weight, tmp_path):
    config = UnlearnConfig(output_dir=str(tmp_path), forget_loss=loss)
    assert (config.forget_beta, config.forget_weight) == (beta, weight)
    reported = UnlearnConfig(output_dir=str(tmp_path), forget_loss=loss, forget_beta=0.7, forget_weight=0.0)
    assert (reported.forget_beta, reported.forget_weight) == (0.7, 0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"forget_loss": "nppo"}, r"Unknown forget_loss 'nppo' \(did you mean 'npo'\?\). Choose from ga, npo"),
        ({"retain_loss": "KL"}, "Unknown retain_loss 'KL'"),
        ({"forget_beta": 0.0}, "must be above 0"),
        ({"forget_beta": "0.1"}, "forget_beta='0.1' is no number but a str"),
        ({"retain_weight": "1"}, "retain_weight='1' is no number but a str"),
        ({"stop_threshold": "0"}, "stop_threshold='0' is no number but a str"),
        ({"forget_beta": float("nan")}, "must be above 0"),
        ({"forget_weight": -1.0}, "forget_weight=-1.0 is negative"),
        ({"retain_weight": -0.5}, "retain_weight=-0.5 is negative"),
        ({"stop_threshold": 20.0}, "stop_threshold=20.0"),
        ({"stop_every_steps": 0}, "stop_every_steps=0 is no such number"),
        ({"stop_every_steps": 2.5}, "stop_every_steps=2.5 is no such number"),
        ({"forget_modality": "audio"}, "Unknown forget_modality 'audio'"),
        ({"retain_per_forget": 0}, "retain_per_forget=0 is no such number"),
        ({"rmu_layer": -1}, "rmu_layer=-1 is no such number"),
        ({"rmu_coefficient": 0.0}, "rmu_coefficient=0.0; it must be above 0"),
        ({"stop_every_steps": True}, "stop_every_steps=True is no such number"),
    ],
)
def test_impossible_settings(setting, message, tmp_path):
    with pytest.raises(CrossmemError, match=message):
        UnlearnConfig(output_dir=str(tmp_path), **setting)


def parse(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(f"output_dir: {tmp_path}\n{text}\n")
    return TrlParser((UnlearnConfig,)).parse_args_and_config(["--config", str(path)])[0]


def test_yaml_reaches_the_config(tmp_path):
    config = parse(tmp_path, "forget_beta: 0.5\nretain_loss: kl\nmax_length: null")
    assert (config.forget_beta, config.retain_loss, config.max_length) == (0.5, "kl", None)


def test_a_yaml_key_that_does_not_exist(tmp_path):
    with pytest.raises(ValueError, match="forget_betta"):
        parse(tmp_path, "forget_betta: 0.5")


def test_a_yaml_choice_that_does_not_exist(tmp_path):
    with pytest.raises(CrossmemError, match="Unknown forget_loss 'sim-npo'"):
        parse(tmp_path, "forget_loss: sim-npo")


@pytest.mark.parametrize(("losses", "setting", "reported"), [
    ({"forget_loss": "ga"}, {"forget_beta": 0.5}, True), ({"forget_loss": "npo"}, {"forget_beta": 0.5}, False),
    ({"forget_loss": "npo"}, {"simnpo_delta": 1.0}, True), ({"forget_loss": "simnpo"}, {"simnpo_delta": 1.0}, False),
    ({"forget_loss": "npo"}, {"rmu_layer": 1}, True), ({"retain_loss": "hidden"}, {"rmu_layer": 1}, False),
    ({"retain_loss": "none"}, {"retain_weight": 2.0}, True), ({"retain_loss": "kl"}, {"retain_weight": 2.0}, False),
    ({"forget_loss": "npo"}, {"refusals": ["No."]}, True), ({"forget_loss": "dpo"}, {"refusals": ["No."]}, False),
    ({"forget_loss": "ga"}, {}, False), ({"forget_loss": "ga"}, {"forget_beta": 1.0}, False),
])  # fmt: skip
def test_settings_of_other_losses_are_told(losses, setting, reported, tmp_path, caplog):
    UnlearnConfig(output_dir=str(tmp_path), **losses, **setting)
    said = [record.getMessage() for record in caplog.records if "has no effect" in record.getMessage()]
    assert len(said) == reported
    assert all(text.startswith(f"{name}={value!r} has") for text in said for name, value in setting.items())


def test_refusals_that_do_not_suit_every_row_are_refused_at_once():
    with pytest.raises(CrossmemError, match="at least one of them without"):
        UnlearnConfig("out", method="idk", refusals=["I do not know the {fact}."])


def test_repr_is_what_was_chosen(tmp_path):
    shown = repr(UnlearnConfig(str(tmp_path), method="rmu", rmu_layer=3, seed=42))
    losses = "forget_loss='rmu', retain_loss='hidden', learning_rate=1e-05"
    assert shown == f"UnlearnConfig(output_dir={str(tmp_path)!r}, {losses}, method='rmu', rmu_layer=3)"
    assert repr(NPOConfig(str(tmp_path))).startswith("NPOConfig(output_dir=")
