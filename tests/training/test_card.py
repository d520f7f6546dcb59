# SPDX-License-Identifier: Apache-2.0
import ast

from huggingface_hub import ModelCard

from crossmem_hf.training.card import write_card
from crossmem_hf.training.saving import save_adapter
from tests.training import tiny


def card_of(folder, name_or_path):
    model = tiny.memorized()
    model.config._name_or_path = str(name_or_path)
    paper = {"title": "A Title", "id": "2404.05868"}
    path = write_card(
        folder, model=model, method="NPO", paper=paper, tags=["npo"], settings={"forget_beta": 0.1}, dataset_name="a/b"
    )
    return path.read_text(encoding="utf-8")


def test_the_header_is_what_the_hub_reads(tmp_path):
    data = ModelCard(card_of(tmp_path / "ada", "llava-hf/llava-1.5-7b-hf")).data
    assert data.base_model == "llava-hf/llava-1.5-7b-hf"
    assert data.library_name == "peft"
    assert data.pipeline_tag == "image-text-to-text"
    assert data.datasets == ["a/b"]
    assert "npo" in data.tags


def test_local_folders_are_not_published(tmp_path):
    text = card_of(tmp_path / "ada", tmp_path)
    assert str(tmp_path) not in text
    assert ModelCard(text).data.base_model is None
    assert "# ada" in text


def test_an_embedded_base_is_named_and_is_no_repository(tmp_path):
    text = card_of(tmp_path / "ada", "/opt/crossmem_hf/models/bases/micro-s")
    assert "An adapter of micro-s, a VLM that ships with `crossmem_hf`" in text
    assert ModelCard(text).data.base_model is None
    assert "load_model(adapter='ada')" in text


def test_the_quick_start_is_code(tmp_path):
    code = card_of(tmp_path, "llava-hf/llava-1.5-7b-hf").split("```python\n")[1].split("```")[0]
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert {"PeftModel", "AutoModelForImageTextToText", "image", "inputs"} <= names


def test_the_quick_start_of_an_embedded_adapter_runs(tmp_path, monkeypatch, capsys):
    from peft import get_peft_model
    from PIL import Image

    from crossmem_hf.models.loading import load_model
    from crossmem_hf.training.memorize import language_lora

    model, processor = load_model()
    save_adapter(get_peft_model(model, language_lora()), processor, tmp_path / "ada", method="SFT", settings={})
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "red").save("portrait.png")
    code = (tmp_path / "ada" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("\n")
