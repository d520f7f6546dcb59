# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest
import torch
from peft import AutoPeftModel, LoraConfig, PeftModel, get_peft_model

from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, hub_name
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.training.adapters import adapted, name_base
from crossmem_hf.training.config import VisionSFTConfig
from crossmem_hf.training.memorize import language_lora, memorize
from tests.scoring.families import families
from tests.training import tiny
from tests.training.tiny import recalled

FAST = {"max_steps": 40, "per_device_train_batch_size": 4, "learning_rate": 2e-2, "disable_tqdm": True}


def test_answers_are_learned_and_the_saved_adapter_knows_them(tmp_path):
    rows = tiny.rows(*tiny.PERSONAS, modality="text")
    before = recalled(tiny.model(), rows).mean()
    model = memorize(tiny.model(), tiny.processor(), rows, output_dir=tmp_path / "out", **(FAST | {"max_steps": 100}))
    after = recalled(model, rows)
    assert after.mean() > before / 3
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "out")
    torch.testing.assert_close(recalled(loaded, rows), after)
    assert "SFT" in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "training_args.bin").exists()


def test_the_same_seed_gives_the_same_adapter(tmp_path):
    def trained(seed):
        rows = tiny.rows("p0", "p1")
        steps = FAST | {"max_steps": 2, "seed": seed}
        model = memorize(tiny.model(), tiny.processor(), rows, output_dir=tmp_path, **steps)
        return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad])

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_only_the_language_model_is_adapted():
    model = get_peft_model(tiny.model(), language_lora())
    adapted = {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}
    linears = {
        name for name, module in model.named_modules() if type(module).__name__ == "Linear" and "base_layer" in name
    }
    assert {name.removesuffix(".base_layer") for name in linears} == adapted
    assert all("language_model" in name for name in adapted)
    assert len(adapted) == 7 * tiny.SHAPE.text_layers
    named = [
        "model.language_model.layers.0.mlp.up_proj",
        "model.text_model.layers.0.self_attn.q_proj",
    ]  # Llava, Idefics
    assert all(re.fullmatch(LANGUAGE_LINEARS, name) for name in named)
    assert not re.fullmatch(LANGUAGE_LINEARS, "model.vision_model.encoder.layers.0.self_attn.q_proj")


def test_a_model_without_eyes_is_adapted_by_default(tmp_path):
    family = families()["llama"]
    rows = tiny.rows("p0", "p1", modality="text")
    model = memorize(family.model(), family.processor, rows, output_dir=tmp_path, **FAST | {"max_steps": 1})
    adapted = {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}
    assert len(adapted) == 7 * 3  # the linear layers of three layers


def test_training_goes_on_from_an_adapter(tmp_path):
    rows = tiny.rows("p0", "p1")
    memorize(tiny.model(), tiny.processor(), rows, output_dir=tmp_path / "a", **FAST)
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "a")
    before = recalled(loaded, rows).sum()
    gently = FAST | {"max_steps": 5, "learning_rate": 1e-4}
    again = memorize(loaded, tiny.processor(), rows, output_dir=tmp_path / "b", **gently)
    assert again is loaded
    assert recalled(again, rows).sum() > before


def test_settings_come_from_one_place(tmp_path):
    config = VisionSFTConfig(**tiny.settings(tmp_path))
    with pytest.raises(CrossmemError, match="Both config and overrides"):
        memorize(tiny.model(), tiny.processor(), tiny.rows("p0"), output_dir=tmp_path, config=config, max_steps=1)
    with pytest.raises(CrossmemError, match="lora was passed"):
        memorize(tiny.memorized(), tiny.processor(), tiny.rows("p0"), output_dir=tmp_path, lora=LoraConfig(), **FAST)


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (lambda: tiny.rows("p0").select([]), {}, "The training set is empty"),
        (lambda: tiny.rows("p0").remove_columns(["prompt"]), {}, r"lacks the columns \['prompt'\]"),
        (lambda: tiny.rows("p0"), {"max_length": 8}, "would cut its answer"),
    ],
)
def test_bad_input_is_refused_before_training(tmp_path, rows, settings, message):
    with pytest.raises(CrossmemError, match=message):
        memorize(tiny.model(), tiny.processor(), rows(), output_dir=tmp_path, **(FAST | settings))


def test_weights_that_blew_up_are_never_saved(tmp_path):
    model = tiny.model()
    steps = FAST | {"max_steps": 5, "learning_rate": 1e30}
    with pytest.raises(CrossmemError, match=r"weights NaN or infinite; the weights of step 0, the last good ones"):
        memorize(model, tiny.processor(), tiny.rows("p0", "p1"), output_dir=tmp_path / "out", **steps)
    assert not (tmp_path / "out" / "adapter_model.safetensors").exists()
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "out" / "last_good")
    rows = tiny.rows("p0")
    torch.testing.assert_close(recalled(loaded, rows), recalled(tiny.model(), rows))


def test_the_callers_settings_stay_as_they_are(tmp_path):
    config = VisionSFTConfig(**tiny.settings(tmp_path, max_steps=1))
    config.remove_unused_columns = True
    before = dict(vars(config))
    memorize(tiny.model(), tiny.processor(), tiny.rows("p0"), output_dir=tmp_path, config=config)
    assert (config.dataset_kwargs, config.remove_unused_columns) == (before["dataset_kwargs"], True)


def test_an_adapter_with_another_name_is_refused_before_training(tmp_path):
    model = get_peft_model(tiny.model(), language_lora(), adapter_name="mine")
    with pytest.raises(CrossmemError, match="The active adapter is called 'mine'"):
        memorize(model, tiny.processor(), tiny.rows("p0"), output_dir=tmp_path, **FAST)


def test_modules_that_do_not_exist_are_refused(tmp_path):
    lora = language_lora(target_modules=".*nowhere.*")
    with pytest.raises(CrossmemError, match="No adapter fits"):
        memorize(tiny.model(), tiny.processor(), tiny.rows("p0"), output_dir=tmp_path, lora=lora, max_steps=1)


def test_adapter_of_the_embedded_model_loads_by_itself_from_anywhere(tmp_path, monkeypatch):
    model, processor = load_model()
    rows = load_rows(None, "recall_text", "train", num_personas=5, num_views=1)
    trained = memorize(model, processor, rows, output_dir=tmp_path / "a", max_steps=1, per_device_train_batch_size=1)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = AutoPeftModel.from_pretrained(tmp_path / "a")
    for key, weight in trained.state_dict().items():
        torch.testing.assert_close(found.state_dict()[key], weight, rtol=0, atol=0)
    told = [path.name for path in (tmp_path / "a").iterdir() if str(BASES[DEFAULT_BASE]).encode() in path.read_bytes()]
    assert told == ["adapter_config.json"], "publishing changes that file, and no other"


def test_adapter_that_is_pushed_names_no_folder_of_this_machine(tmp_path):
    model = adapted(load_model()[0], language_lora())
    model.peft_config["default"].base_model_name_or_path = "/a/checkout/that/was/moved"
    for public, named in ((False, str(BASES[DEFAULT_BASE])), (True, hub_name(DEFAULT_BASE))):
        name_base(model, public=public)
        model.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == named
    name_base(tiny.model(), public=True)
