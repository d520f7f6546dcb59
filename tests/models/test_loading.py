# SPDX-License-Identifier: Apache-2.0
"""Models from folders: what loads, what is said when it does not, and a fingerprint that notices every change."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models import embedded as home
from crossmem_hf.models.embedded import DEFAULT_BASE
from crossmem_hf.models.loading import folder_fingerprint, load_model, model_fingerprint
from crossmem_hf.models.micro.model import MicroShape, build_model


@pytest.fixture
def folder(tiny, processor, tmp_path):
    """A saved model with its processor."""
    tiny.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def adapter(tiny, tmp_path):
    """A saved adapter that does something."""
    adapted = get_peft_model(tiny, LoraConfig(r=2, target_modules=r".*language_model.*\.(q_proj|v_proj)"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


# what loads


def test_a_vision_language_model(folder):
    model, processor = load_model(str(folder))
    assert (type(model).__name__, type(processor).__name__) == ("LlavaForConditionalGeneration", "LlavaProcessor")
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_text_only_model_comes_with_its_tokenizer(processor, tmp_path):
    small = LlamaConfig(vocab_size=len(processor.tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                        num_attention_heads=2)  # fmt: skip
    LlamaForCausalLM(small).save_pretrained(tmp_path)
    processor.tokenizer.save_pretrained(tmp_path)
    model, tokenizer = load_model(str(tmp_path))
    assert type(model).__name__ == "LlamaForCausalLM"
    assert tokenizer("Ann")["input_ids"] == processor.tokenizer("Ann")["input_ids"]


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", torch.bfloat16), ("auto", torch.float32)])
def test_dtypes(folder, dtype, expected):
    model, _ = load_model(str(folder), dtype=dtype, device="cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {expected}


def test_an_adapter_is_put_on_top(folder, adapter):
    plain, _ = load_model(str(folder))
    adapted, _ = load_model(str(folder), adapter=str(adapter))
    ids = torch.tensor([[4, 90, 91, 5]])
    with torch.no_grad():
        assert not torch.allclose(plain(input_ids=ids).logits, adapted(input_ids=ids).logits)
        with adapted.disable_adapter():
            assert torch.allclose(plain(input_ids=ids).logits, adapted(input_ids=ids).logits)
    assert not adapted.training


# what does not


def test_an_unknown_dtype(folder):
    with pytest.raises(CrossmemError, match=r"Unknown dtype 'fp16'.*'float16'"):
        load_model(str(folder), dtype="fp16")


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such-user/no-such-model", "not a name at all!", ""])
def test_nothing_there(name):
    with pytest.raises(CrossmemError, match=r"There is no model|Could not load a model from"):
        load_model(name)


def broken(folder, kind):
    """Damage a saved model in one way."""
    weights = folder / "model.safetensors"
    if kind == "no weights":
        weights.unlink()
    elif kind == "cut weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "noise for weights":
        weights.write_bytes(b"\xff" * 5000)
    elif kind == "no config":
        (folder / "config.json").unlink()
    elif kind == "config is not JSON":
        (folder / "config.json").write_text("{")
    elif kind == "unknown kind of model":
        (folder / "config.json").write_text(json.dumps({"model_type": "no_such_model"}))
    elif kind == "no processor":
        for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
    elif kind == "other sizes":
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["hidden_size"] = 64
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("kind", ["no weights", "cut weights", "noise for weights", "no config", "config is not JSON",
                                  "unknown kind of model", "no processor", "other sizes"])  # fmt: skip
def test_a_damaged_folder(folder, kind):
    broken(folder, kind)
    with pytest.raises(CrossmemError, match="Could not load a model from") as caught:
        load_model(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_library_that_a_processor_needs_is_named(folder, monkeypatch):
    """As seven families need torchvision, which transformers tells in lines of advice that begin with an empty one."""

    def needy(*args, **named):
        raise ImportError(
            "\nPixtralProcessor requires the Torchvision library but it was not found.\nCheck out more.\n"
        )

    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", needy)
    with pytest.raises(CrossmemError, match=r"PixtralProcessor requires the Torchvision library.*pip install torch"):
        load_model(str(folder))


def test_a_tokenizer_in_the_place_of_a_processor(folder):
    """AutoProcessor falls back to it where it does not know the processor's class."""
    for name in ("processor_config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(settings | {"processor_class": "SomebodysProcessor"}))
    with pytest.raises(
        CrossmemError, match="LlavaForConditionalGeneration sees pictures, but its processor is a plain"
    ):
        load_model(str(folder))


def test_an_adapter_in_the_place_of_a_model(adapter):
    with pytest.raises(CrossmemError, match=r"It holds an adapter: name its base model"):
        load_model(str(adapter))


def test_a_path_that_is_no_folder_is_called_so():
    with pytest.raises(CrossmemError, match=r"There is no model './nowhere': no such file or folder"):
        load_model("./nowhere")


def test_no_adapter_there(folder, tmp_path):
    empty, missing = tmp_path / "empty", tmp_path / "missing"
    empty.mkdir()
    for name, said in (
        (empty, f"Could not put the adapter '{empty}' on LlavaForConditionalGeneration"),
        (missing, f"There is no adapter '{missing}': no such file or folder"),
    ):
        with pytest.raises(CrossmemError, match=said):
            load_model(str(folder), adapter=str(name))


@pytest.mark.parametrize("damage", ["weights", "config", "modules", "sizes", "other layers"])
def test_a_damaged_adapter(folder, adapter, damage):
    config = json.loads((adapter / "adapter_config.json").read_text())
    if damage == "weights":
        (adapter / "adapter_model.safetensors").write_bytes(b"\xff" * 100)
    elif damage == "config":
        (adapter / "adapter_config.json").write_text("{")
    elif damage == "modules":
        (adapter / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["no_such_layer"]}))
    elif damage == "sizes":
        (adapter / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
    else:
        weights = load_file(adapter / "adapter_model.safetensors")
        renamed = {name.replace("layers.0", "layers.9"): value for name, value in weights.items()}
        save_file(renamed, adapter / "adapter_model.safetensors")
    with pytest.raises(CrossmemError, match="Could not put the adapter"):
        load_model(str(folder), adapter=str(adapter))


# the bases that ship, and their fingerprints


@pytest.fixture
def embedded(folder, monkeypatch):
    """The folder as if it were the default base's."""
    monkeypatch.setattr(home, "BASES", {DEFAULT_BASE: folder})
    return folder


def test_none_is_the_default_base(embedded):
    model, _ = load_model()
    assert model.config.text_config.hidden_size == 32
    assert model.name_or_path == str(embedded)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_the_fingerprint_notices_a_changed_byte(embedded, name):
    before = model_fingerprint()
    assert len(before) == 16
    data = bytearray((embedded / name).read_bytes())
    data[len(data) // 2] ^= 1
    (embedded / name).write_bytes(data)
    assert model_fingerprint() != before


def test_fingerprint_is_of_the_model_and_not_of_card_or_place(embedded, tmp_path, monkeypatch):
    before = model_fingerprint()
    (embedded / "README.md").write_text("A card.")
    assert model_fingerprint() == before
    monkeypatch.setattr(home, "BASES", {DEFAULT_BASE: shutil.copytree(embedded, tmp_path / "elsewhere")})
    assert model_fingerprint() == before
    (tmp_path / "elsewhere" / "tokenizer.json").unlink()
    assert model_fingerprint() != before


@pytest.fixture
def family(processor, tmp_path, monkeypatch):
    """Name -> folder of two bases of different sizes, as if they shipped; the first is the default one."""
    found = {}
    for name, width in ((DEFAULT_BASE, 16), ("micro-s", 32)):
        small = {"vision_width": 16, "vision_layers": 1, "text_layers": 1, "text_mlp": 32, "heads": 2}
        found[name] = tmp_path / "crossmem_hf" / "models" / "bases" / name
        build_model(processor, MicroShape(text_width=width, **small)).save_pretrained(found[name])
        processor.save_pretrained(found[name])
    monkeypatch.setattr(home, "BASES", found)
    return found


def width_of(model):
    return model.config.text_config.hidden_size


@pytest.mark.parametrize("name", ["micro-s", "crossmem/micro-s"])
def test_a_base_loads_by_its_name(family, name):
    model, processor = load_model(name)
    assert (width_of(model), model.name_or_path) == (32, str(family["micro-s"]))
    assert type(processor).__name__ == "LlavaProcessor"
    assert model_fingerprint(name) == folder_fingerprint(family["micro-s"]) != model_fingerprint()
    assert width_of(load_model()[0]) == 16


def test_a_base_comes_before_a_folder_of_its_name_here(family, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "micro-s")
    assert load_model("micro-s")[0].name_or_path == str(family["micro-s"])
    assert load_model("./micro-s")[0].name_or_path == "./micro-s"


def test_a_folder_of_a_hub_name_here_comes_before_the_base(family, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "crossmem/micro-s")
    assert load_model("crossmem/micro-s")[0].name_or_path == "crossmem/micro-s"


def test_an_unknown_base_is_an_error_that_asks_nobody(family, monkeypatch):
    monkeypatch.setattr("crossmem_hf.models.loading.check_within_reach", None)
    for ask in (load_model, model_fingerprint):
        with pytest.raises(CrossmemError, match=rf"^Unknown base model 'micro-x'.* from {DEFAULT_BASE}, micro-s\.$"):
            ask("micro-x")


def saved_on(base, folder, named):
    """An adapter trained on a base, whose configuration names it so."""
    adapted = get_peft_model(load_model(base)[0], LoraConfig(r=2, target_modules=r".*language_model.*\.q_proj"))
    adapted.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": named}))
    return str(folder)


@pytest.mark.parametrize("named", ["crossmem/micro-s", "/another/checkout/crossmem_hf/models/bases/micro-s"])
def test_an_adapter_is_put_on_the_base_that_it_names(family, tmp_path, named):
    adapter = saved_on("micro-s", tmp_path / "adapter", named)
    for model in (None, "micro-s", "crossmem/micro-s"):
        assert width_of(load_model(model, adapter=adapter)[0]) == 32
        assert model_fingerprint(model, adapter=adapter) == model_fingerprint("micro-s")


def test_an_adapter_of_no_base_of_ours_goes_on_the_default_one(family, tmp_path):
    for named in (None, "you/model", "/a/folder"):
        adapter = saved_on(None, tmp_path / "adapter", named)
        assert width_of(load_model(adapter=adapter)[0]) == 16


def test_an_adapter_of_another_base_is_refused(family, folder, tmp_path):
    """Its weights might fit, as those of two seeds do."""
    adapter = saved_on("micro-s", tmp_path / "adapter", "crossmem/micro-s")
    for ask in (load_model, model_fingerprint):
        with pytest.raises(CrossmemError, match=f"was trained on micro-s, not on {DEFAULT_BASE}"):
            ask(DEFAULT_BASE, adapter=adapter)
    assert width_of(load_model(str(folder), adapter=adapter)[0]) == 32, "a folder of one's own may be anything"


def test_an_adapter_of_a_base_that_is_not_here_says_so(family, tmp_path):
    adapter = saved_on("micro-s", tmp_path / "adapter", "crossmem/micro-l")
    with pytest.raises(CrossmemError, match=r"Unknown base model 'micro-l'"):
        load_model(adapter=adapter)
