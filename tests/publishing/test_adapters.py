# SPDX-License-Identifier: Apache-2.0
"""Which adapters a run left, and which of their files are shared."""

import json

import pytest
from peft import AutoPeftModel

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, hub_name
from crossmem_hf.models.loading import load_model
from crossmem_hf.publishing.adapters import adapter_files, adapters_of, base_of
from crossmem_hf.report.record import Record
from crossmem_hf.training.adapters import adapted
from crossmem_hf.training.memorize import language_lora
from tests.publishing.conftest import lay_adapter, measured, record_of


def test_adapters_of_a_run_with_their_own_numbers(run_folder):
    (run_folder / "stages/memorized_image_seed1/done.json").rename(run_folder / "kept.json")
    (found,) = adapters_of(Record.read(run_folder), run_folder)
    assert found.place == "adapters/unlearned_image_seed1", "the other one is not finished"
    (run_folder / "kept.json").rename(run_folder / "stages/memorized_image_seed1/done.json")
    record = Record.read(run_folder)
    memorized, unlearned = adapters_of(record, run_folder)
    for stage, adapter in (("memorized", memorized), ("unlearned", unlearned)):
        found = record.find(stage=stage, source="image", step=None)
        assert adapter.measurements == tuple(m.in_seed(1) or m for m in found)
        assert len(adapter.measurements) > 20
    assert {m.where["stage"] for m in memorized.against} == {"base"}
    assert {m.where["stage"] for m in unlearned.against} == {"base", "memorized"}
    assert memorized.words == "50 personas, stage memorized, source image, seed 1"


def test_adapter_has_pooled_numbers_where_its_seed_has_none(tmp_path):
    npo = {"method": "npo", "forget_modality": "both"}
    requested = {"group": "forget", "target": "text"}
    of = [
        measured("exposure", {"method": "base", **requested}),
        measured("exposure", npo | requested),
        measured("recall", npo | requested),
        measured("recall", npo | requested | {"seed": 7}),
        measured("recall", npo | requested | {"seed": 0}),
        measured("recall", {"method": "npo", "forget_modality": "text", **requested}),
    ]
    lay_adapter(tmp_path / "stages/npo_both_7", **npo, seed=7)
    (adapter,) = adapters_of(record_of("compare", of, seeds=(0, 7)), tmp_path)
    assert (adapter.place, adapter.measurements, adapter.against) == ("adapters/npo_both_7", (of[1], of[3]), (of[0],))


def test_the_adapter_that_settings_name_lies_where_they_say(tmp_path):
    folder = lay_adapter(tmp_path / "npo")
    numbers = [measured("exposure"), measured("exposure", {"model": "base"})]
    (adapter,) = adapters_of(record_of("score", numbers, config={"adapter": str(folder)}), tmp_path)
    assert adapter.file("README.md") == "README.md"
    assert (adapter.measurements, adapter.against) == ((numbers[0],), (numbers[1],))
    assert adapters_of(record_of("score", numbers, config={"adapter": "you/npo"}), tmp_path) == ()


def test_only_what_is_fit_to_share_goes_along(run_folder):
    adapter = adapters_of(Record.read(run_folder), run_folder)[0]
    names = {name.removeprefix("adapters/memorized_image_seed1/") for name in adapter_files(adapter)}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}


@pytest.mark.parametrize(
    ("base", "shared"),
    [(None, None), ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"), ("crossmem/micro-s", "crossmem/micro-s")],
)
def test_the_base_is_named_as_anybody_can_find_it(run_folder, base, shared):
    config = run_folder / "stages/memorized_image_seed1/adapter_config.json"
    adapter = adapters_of(Record.read(run_folder), run_folder)[0]
    assert base_of(adapter) == hub_name(DEFAULT_BASE)
    config.write_text(json.dumps({"base_model_name_or_path": base}))
    assert base_of(adapter) == shared
    config.write_text(json.dumps({"base_model_name_or_path": str(run_folder)}))
    assert base_of(adapter) is None
    moved = "/a/checkout/that/was/moved/crossmem_hf/models/bases/micro-m"
    config.write_text(json.dumps({"base_model_name_or_path": moved}))
    assert base_of(adapter) == "crossmem/micro-m"


def test_shared_adapter_finds_its_base_in_a_materialized_folder(materialized, tmp_path, monkeypatch):
    folder = tmp_path / "own"
    adapted(load_model()[0], language_lora()).save_pretrained(folder)
    record = record_of("score", [measured("exposure")], config={"adapter": str(folder)})
    shared = tmp_path / "shared"
    shared.mkdir()
    for name, content in adapter_files(adapters_of(record, tmp_path)[0]).items():
        (shared / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    assert str(BASES[DEFAULT_BASE]) not in (shared / "adapter_config.json").read_text()
    monkeypatch.chdir(materialized)
    named = AutoPeftModel.from_pretrained(shared).peft_config["default"].base_model_name_or_path
    assert named == hub_name(DEFAULT_BASE)


def test_pickled_weights_and_broken_configurations_are_refused(run_folder):
    adapter = adapters_of(Record.read(run_folder), run_folder)[0]
    weights = adapter.folder / "adapter_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CrossmemError, match=r"has no adapter_model\.safetensors"):
        adapter_files(adapter)
    (adapter.folder / "adapter_config.json").write_text("[]")
    with pytest.raises(CrossmemError, match="no configuration of an adapter"):
        base_of(adapter)
