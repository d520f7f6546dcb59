# SPDX-License-Identifier: Apache-2.0
"""One cell: what it depends on and what it leaves."""

from dataclasses import replace

from crossmem_hf.studies.compare_cells import Cell
from crossmem_hf.studies.compare_settings import CompareSettings


def cell(tiny_model, folder, **changes):
    settings = CompareSettings(num_personas=5, seeds=1, memorise_steps=2, model_name_or_path=str(tiny_model))
    return Cell(**({"settings": settings, "seed": 0, "arm": "npo", "through": "image", "folder": folder} | changes))


def test_a_cell_is_named_after_what_it_does(tiny_model, tmp_path):
    assert cell(tiny_model, tmp_path).name == "npo image 0"
    assert cell(tiny_model, tmp_path, arm="base", through=None).place == tmp_path / "base_0"


def test_a_cell_says_how_far_it_is_and_starts_from_the_memorised_adapter(tiny_model, tmp_path):
    told = []
    result = cell(tiny_model, tmp_path).run(lambda step, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert (result["steps"], result["reached_floor"]) == (5, True), "nothing is known, so the first look ends it"
    assert (tmp_path / "memorised_0" / "adapter" / "done.json").exists()
    assert {answer["forgotten"] for answer in result["asked"]} == {True, False}
    base = cell(tiny_model, tmp_path, arm="base", through=None).run(lambda step, share: None)
    assert "cost" not in base
    assert len(base["asked"]) == len(result["asked"])


def test_other_settings_are_other_adapters(tiny_model, tmp_path):
    memorised = cell(tiny_model, tmp_path, arm="memorised", through=None)
    memorised.run(lambda step, share: None)
    before = (memorised.place / "adapter" / "done.json").read_text()
    memorised.run(lambda step, share: None)
    assert (memorised.place / "adapter" / "done.json").read_text() == before
    longer = replace(memorised, settings=replace(memorised.settings, memorise_steps=3))
    assert longer.run(lambda step, share: None)["steps"] == 3
