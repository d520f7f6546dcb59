# SPDX-License-Identifier: Apache-2.0
"""One cell: what it depends on and what it leaves."""

from dataclasses import replace

import pytest

from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.studies.compare_asking import joined
from crossmem_hf.studies.compare_cells import Cell
from crossmem_hf.studies.compare_settings import CompareSettings


def cell(tiny_model, folder, **changes):
    settings = CompareSettings(num_personas=5, seeds=1, memorize_steps=2, model_name_or_path=str(tiny_model))
    return Cell(**({"settings": settings, "seed": 0, "arm": "npo", "through": "image", "folder": folder} | changes))


def test_a_cell_is_named_after_what_it_does(tiny_model, tmp_path):
    assert cell(tiny_model, tmp_path).name == "npo image 0"
    assert cell(tiny_model, tmp_path, arm="base", through=None).place == tmp_path / "base_0"


def test_a_cell_says_how_far_it_is_and_starts_from_the_memorized_adapter(tiny_model, tmp_path):
    told = []
    result = cell(tiny_model, tmp_path).run(lambda step, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert (result["steps"], result["reached_floor"]) == (5, True), "nothing is known, so the first look ends it"
    assert (tmp_path / "memorized_0" / "adapter" / "done.json").exists()
    assert {answer["forgotten"] for answer in result["asked"]} == {True, False}
    base = cell(tiny_model, tmp_path, arm="base", through=None).run(lambda step, share: None)
    assert "cost" not in base
    assert len(base["asked"]) == len(result["asked"])


def test_other_settings_are_other_adapters(tiny_model, tmp_path):
    memorized = cell(tiny_model, tmp_path, arm="memorized", through=None)
    memorized.run(lambda step, share: None)
    before = (memorized.place / "adapter" / "done.json").read_text()
    memorized.run(lambda step, share: None)
    assert (memorized.place / "adapter" / "done.json").read_text() == before
    longer = replace(memorized, settings=replace(memorized.settings, memorize_steps=3))
    assert longer.run(lambda step, share: None)["steps"] == 3


class SeenError(Exception):
    """Ends a training before it starts."""


def people(rows):
    return set(rows["persona_id"])


@pytest.mark.parametrize("arm", ["memorized", "retrained"])
def test_who_is_taught_through_which_modalities(tiny_model, tmp_path, monkeypatch, arm):
    def memorize(model, processor, rows, **named):
        raise SeenError(rows)

    monkeypatch.setattr("crossmem_hf.training.memorize.memorize", memorize)
    one = cell(tiny_model, tmp_path, arm=arm, through=None)
    with pytest.raises(SeenError) as seen:
        one.run(lambda step, share: None)
    (rows,) = seen.value.args
    forgotten = forgotten_ids(one.settings.spec(0))
    assert len(forgotten) == 1
    assert people(rows) & forgotten == (forgotten if arm == "memorized" else set())
    assert len(people(rows)) == (5 if arm == "memorized" else 4)
    assert len(rows) == len(people(rows)) * 8 * 2, "eight views, two modalities"


def test_modalities_differ_in_what_is_forgotten_and_watched_alone(tiny_model, tmp_path, monkeypatch):
    kept, watched = {}, {}
    for through in ("image", "text", "both"):

        def unlearn(model, processor, forget, retain, *, recall, through=through, **named):
            kept[through] = [people(forget), sorted(forget["modality"]), list(retain.remove_columns("images"))]
            assert named["forget_modality"] == through
            watched[through] = recall()
            raise SeenError

        monkeypatch.setattr("crossmem_hf.training.unlearn.unlearn", unlearn)
        monkeypatch.setattr("crossmem_hf.evaluation.recall.recall", lambda model, processor, rows: rows)
        one = cell(tiny_model, tmp_path, through=through)
        with pytest.raises(SeenError):
            one.run(lambda step, share: None)
    forgotten = set(forgotten_ids(one.settings.spec(0)))
    assert kept["image"] == kept["text"] == kept["both"]
    assert kept["both"][0] == forgotten
    modalities = {through: sorted(row["modality"] for row in rows) for through, rows in watched.items()}
    assert modalities == {"image": ["image"] * 4, "text": ["text"] * 4, "both": ["image"] * 4 + ["text"] * 4}
    assert {row["persona_id"] for rows in watched.values() for row in rows} == forgotten
    asked = {row["template"] for row in watched["text"]}
    trained = set(joined("recall", "train", one.settings.spec(0))["template"])
    assert not asked & trained, "what decides when to stop was not trained on"
