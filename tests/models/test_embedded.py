# SPDX-License-Identifier: Apache-2.0
"""The bases that ship: which are there, and by which names they are known."""

import json

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models import embedded
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, base_named, hub_name, located

FAMILY = {"micro-s", "micro-m", "micro-l", "micro-m-seed1", "micro-m-bridge"}


def test_bases_are_whole_folders_of_the_family(root):
    assert DEFAULT_BASE in BASES
    assert set(BASES) == FAMILY
    for name, folder in BASES.items():
        assert folder == root / "crossmem_hf" / "models" / "bases" / name
        assert {path.name for path in folder.iterdir()} == {
            *("README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"),
            *("processor_config.json", "quality.json", "tokenizer.json", "tokenizer_config.json"),
        }
        assert json.loads((folder / "config.json").read_text())["model_type"] == "llava"


def test_a_base_that_is_not_trained_yet_is_not_listed(tmp_path):
    for name in ("micro-s", "micro-m", "macro"):
        (tmp_path / name).mkdir()
    for name in ("micro-s", "macro"):
        (tmp_path / name / "config.json").write_text("{}")
    assert embedded._bases_in(tmp_path) == {"micro-s": tmp_path / "micro-s"}


def test_names_of_bases_are_their_folders():
    for name, folder in BASES.items():
        assert located(name) == located(hub_name(name)) == str(folder)
    assert located(None) == str(BASES[DEFAULT_BASE])


def test_default_is_one_constant(monkeypatch, tmp_path):
    monkeypatch.setattr(embedded, "DEFAULT_BASE", "micro-s")
    monkeypatch.setattr(embedded, "BASES", {"micro-s": tmp_path})
    assert located(None) == str(tmp_path)


@pytest.mark.parametrize(
    "name", ["you/micro-s", "llava-hf/llava-1.5-7b-hf", "crossmem/micro-x", "./micro-x", "", "/x"]
)
def test_other_names_stay_what_they_are(name):
    assert located(name) == name


def test_an_unknown_base_names_those_that_are_there():
    with pytest.raises(CrossmemError, match=r"Unknown base model 'micro-sm' \(did you mean 'micro-s'\?\)") as caught:
        located("micro-sm")
    assert all(name in str(caught.value) for name in BASES)


def test_a_path_that_begins_like_a_base_is_a_path(tmp_path, monkeypatch):
    (tmp_path / "micro-run").mkdir()
    monkeypatch.chdir(tmp_path)
    assert located("micro-run") == "micro-run"


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("micro-s", "micro-s"),
        ("crossmem/micro-l", "micro-l"),
        (str(BASES["micro-s"]), "micro-s"),
        ("crossmem_hf/models/bases/micro-s", "micro-s"),
        ("/opt/lib/crossmem_hf/models/bases/micro-m-seed1", "micro-m-seed1"),
        ("/opt/crossmem/micro-s", None),
        ("/opt/bases/micro-s", None),
        ("/opt/lib/crossmem_hf/models/bases", None),
        ("./micro-s", None),
        ("micro-x", None),
        ("you/micro-s", None),
        ("crossmem/personas", None),
        ("", None),
        (None, None),
    ],
)
def test_bases_are_recognized_wherever_the_package_lies(name, base):
    assert base_named(name) == base
