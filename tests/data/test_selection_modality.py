# SPDX-License-Identifier: Apache-2.0
"""Which rows a modality lets through, and that every forget loss is worked out on those and no others."""

import pytest
import torch
from datasets import Dataset

from crossmem_hf.data.selection import through
from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.objectives import FORGET_TERMS
from tests.training import tiny
from tests.training.tiny import trainer_for

PICKED = {"image": {"image"}, "text": {"text"}, "both": {"image", "text"}, None: {"image", "text"}}


def two_modalities():
    """Two people, each through both modalities."""
    return tiny.rows("p0", "p1", modality="mixed", views=2)


@pytest.mark.parametrize("modality", PICKED)
def test_a_modality_lets_its_rows_through_in_order(modality):
    rows = two_modalities()
    kept = through(rows, modality)
    assert kept["view"][:] == [row["view"] for row in rows if row["modality"] in PICKED[modality]]
    assert set(kept["modality"]) == PICKED[modality]


@pytest.mark.parametrize("modality", ["image", "both"])
def test_a_set_without_rows_for_the_modality(modality):
    with pytest.raises(CrossmemError, match=f"forget_modality='{modality}'.*'image'"):
        through(tiny.rows("p0", modality="text"), modality)


def test_a_fact_through_one_modality_only_is_named():
    rows = two_modalities().select([0, 2, 3])  # without the picture of p1
    with pytest.raises(CrossmemError, match=r"lacks rows of modality 'image'.*p1"):
        through(rows, "both")


def test_without_the_column_no_modality_is_known():
    with pytest.raises(CrossmemError, match="needs the columns"):
        through(two_modalities().remove_columns("modality"), "image")


@pytest.mark.parametrize("modality", ["image", "text", "both"])
@pytest.mark.parametrize("forget_loss", FORGET_TERMS)
def test_every_forget_loss_goes_through_every_modality(tmp_path, forget_loss, modality):
    """Filtering by setting is filtering by hand, and the retain set stays as given."""
    settings = {"forget_loss": forget_loss, "rmu_layer": 1, "retain": tiny.rows("p2", modality="mixed", views=2)}
    ours = trainer_for(tmp_path, forget=two_modalities(), forget_modality=modality, **settings)
    picked = [n for n, row in enumerate(two_modalities()) if row["modality"] in PICKED[modality]]
    by_hand = trainer_for(tmp_path, forget=two_modalities().select(picked), **settings)
    for role in FORGET_TERMS[forget_loss].roles:
        assert set(ours.rows[role].dataset["modality"]) == PICKED[modality]
    assert set(ours.rows["retain"].dataset["modality"]) == {"image", "text"}
    assert len(ours.train_dataset) == len(picked)
    pairs = [{"forget": [n], "retain": [n % 2]} for n in range(len(picked))]
    batch = ours.data_collator(pairs)
    for role in FORGET_TERMS[forget_loss].roles:
        pictures = len(batch[role].get("pixel_values", ()))
        assert pictures == {"image": len(picked), "text": 0, "both": len(picked) // 2}[modality]
    losses = [trainer.compute_loss(trainer.model.eval(), trainer.data_collator(pairs)) for trainer in (ours, by_hand)]
    assert torch.equal(*losses)


def test_a_person_in_two_spellings_is_reached_through_both_modalities():
    image, text = (tiny.rows("p0", modality=modality) for modality in ("image", "text"))
    both = [{**image[0], "persona_id": "Jos\u00e9"}, {**text[0], "persona_id": "Jose\u0301"}]
    rows = Dataset.from_list(both, features=image.features)
    assert len(through(rows, "both")) == len(rows)
