# SPDX-License-Identifier: Apache-2.0
"""The YAML files in recipes/accelerate, read as `accelerate launch` reads them."""

from pathlib import Path

import pytest
import yaml
from accelerate import DeepSpeedPlugin, FullyShardedDataParallelPlugin
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import patch_environment
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from crossmem_hf.models.loading import load_model

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "accelerate"
PATHS = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
LAUNCHERS = {  # which launcher each picks: (multi_gpu, use_fsdp, use_deepspeed)
    "cpu": (False, False, False),
    "single_gpu": (False, False, False),
    "ddp": (True, False, False),
    "fsdp2": (False, True, False),
    "zero3": (False, False, True),
}


def launched(name):
    """(what `accelerate launch` makes of the file, the file as accelerate has read it)."""
    words = ["--config_file", str(PATHS[name]), "recipes/unlearn.py"]
    arguments, config, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    return arguments, config


def test_each_file_has_its_launcher():
    assert PATHS.keys() == LAUNCHERS.keys()


@pytest.mark.parametrize("name", LAUNCHERS)
def test_accelerate_reads_every_key(name):
    written = yaml.safe_load(PATHS[name].read_text())
    config = load_config_from_file(str(PATHS[name])).to_dict()
    assert {key: config[key] for key in written} == written


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_launcher_it_picks(name):
    arguments, _ = launched(name)
    assert (arguments.multi_gpu, arguments.use_fsdp, arguments.use_deepspeed) == LAUNCHERS[name]
    assert arguments.use_cpu is (name == "cpu")
    assert arguments.num_processes == (4 if any(LAUNCHERS[name]) else 1)


def test_fsdp_is_version_two_and_saves_whole_weights():
    arguments, _ = launched("fsdp2")
    with patch_environment(**prepare_multi_gpu_env(arguments)):
        plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"


def test_fsdp_wraps_the_layers_of_the_embedded_model():
    """accelerate refuses a class that the model lists and does not have."""
    model, _ = load_model()
    with patch_environment(**prepare_multi_gpu_env(launched("fsdp2")[0])):
        plugin = FullyShardedDataParallelPlugin()
    plugin.set_auto_wrap_policy(model)
    wrapped = {kind.__name__ for kind in plugin.auto_wrap_policy.keywords["transformer_layer_cls"]}
    assert {"LlamaDecoderLayer", "CLIPEncoderLayer"} <= wrapped


def test_deepspeed_shards_weights_and_gathers_them_to_save(monkeypatch):
    arguments, config = launched("zero3")
    arguments.deepspeed_fields_from_accelerate_config = ",".join(config.deepspeed_config)
    with patch_environment(**prepare_deepspeed_cmd_env(arguments)[1]):
        zero = DeepSpeedPlugin().deepspeed_config["zero_optimization"]
    assert zero["stage"] == 3
    assert zero["stage3_gather_16bit_weights_on_model_save"] is True
