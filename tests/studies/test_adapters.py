# SPDX-License-Identifier: Apache-2.0
"""Which rows adapters learn, and that a training keeps what it was on its way."""

import pytest

from crossmem_hf.studies.adapters import AttributeRows, TrainingRows, at_step, loaded, memorized
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Cell

SETTINGS = StudySettings(num_personas=10, num_views=2, seeds=1)
SPEC = SETTINGS.spec(0)
NAMES = TrainingRows(configs=("recall_text",), split="train")


def ids(rows):
    return list(dict.fromkeys(rows["persona_id"]))


@pytest.mark.parametrize(("share", "count"), [(0.1, 1), (0.25, 2), (0.3, 3), (1.0, 10)])
def test_a_share_is_of_personas_and_has_all_their_rows(share, count):
    whole, part = (TrainingRows(configs=("recall_text",), split="train", share=own).of(SPEC) for own in (1.0, share))
    assert ids(part) == ids(whole)[:count]
    assert list(part) == list(whole)[: 2 * count]


@pytest.mark.parametrize("demonstrated", [True, False])
def test_every_other_persona_is_demonstrated(demonstrated):
    rows = TrainingRows(configs=("recall_text",), split="train", demonstrated=demonstrated).of(SPEC)
    assert ids(rows) == ids(NAMES.of(SPEC))[not demonstrated :: 2]
    assert len(rows) == 10


def test_other_rows_come_behind():
    others = TrainingRows(configs=("recall_image",), split="train", share=0.2)
    rows = TrainingRows(configs=("recall_text",), split="train", besides=others).of(SPEC)
    assert rows["persona_id"] == [*NAMES.of(SPEC)["persona_id"], *others.of(SPEC)["persona_id"]]
    assert [len(row["images"]) for row in rows] == [0] * 20 + [1] * 4


def test_attributes_are_of_the_personas_of_the_seed():
    rows = AttributeRows().of(SPEC)
    assert ids(rows) == ids(NAMES.of(SPEC))
    assert len(rows) == 20


def test_memorizing_keeps_what_the_adapter_was_on_its_way(tiny_model, tmp_path):
    settings = SETTINGS.replaced(model_name_or_path=str(tiny_model), num_personas=5)
    cell = Cell(settings=settings, where={"seed": 0}, stages=tmp_path, progress=lambda *_: None)
    how = {"checkpoints": (1, 2), "max_steps": 3, "per_device_train_batch_size": 2}
    done = memorized(cell, "known", NAMES, **how)
    weights = [
        {name: weight.sum().item() for name, weight in loaded(cell, one)[0].named_parameters() if "lora_B" in name}
        for one in (at_step(done, 1), at_step(done, 2), done)
    ]
    assert weights[0] != weights[1] != weights[2] != weights[0]
    assert len({at_step(done, 1).fingerprint, at_step(done, 2).fingerprint, done.fingerprint}) == 3
    others = TrainingRows(configs=("recall_image",), split="train")
    contrasted = memorized(cell, "contrasted", NAMES, contrast=others, **how)
    assert contrasted.fingerprint != done.fingerprint
    assert contrasted.result["steps"] == 3
