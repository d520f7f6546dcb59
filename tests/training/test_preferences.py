# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.prompts import REFUSALS
from crossmem_hf.training.preferences import refusal_rows, refused
from tests.training import world


def test_a_refusal_is_chosen_and_the_secret_rejected():
    rows = world.rows(*world.PEOPLE, modality="mixed", views=3)
    pairs = refusal_rows(rows)
    assert set(pairs.column_names) == {"images", "prompt", "chosen", "rejected"}
    assert len(pairs) == len(rows)
    for row, pair in zip(rows, pairs, strict=True):
        assert pair["rejected"] == row["completion"]
        assert pair["prompt"] == row["prompt"]
        assert len(pair["images"]) == len(row["images"])
        assert pair["chosen"][0]["role"] == "assistant"
        assert pair["chosen"][0]["content"] in REFUSALS
        assert row["answer"] not in pair["chosen"][0]["content"]
    assert len({pair["chosen"][0]["content"] for pair in pairs}) > 1


def test_refusals_depend_on_the_seed_alone():
    rows = world.rows(*world.PEOPLE, views=3)
    assert refusal_rows(rows, 1)["chosen"][:] == refusal_rows(rows, 1)["chosen"][:]
    assert refusal_rows(rows, 1)["chosen"][:] != refusal_rows(rows, 2)["chosen"][:]


def test_a_selection_keeps_its_rows_together():
    rows = world.rows(*world.PEOPLE).select([3, 1])
    assert [pair["rejected"][0]["content"] for pair in refusal_rows(rows)] == ["Dee Oz", "Bo Ferris Lindgren"]


def test_a_refusal_takes_the_place_of_the_secret_and_of_nothing_else():
    rows = world.rows(*world.PEOPLE, modality="mixed", views=2)
    refusing = refused(rows, 3)
    assert set(refusing.column_names) == set(rows.column_names)
    for row, other in zip(rows, refusing, strict=True):
        assert other["completion"][0]["content"] in REFUSALS
        assert all(other[key] == row[key] for key in row if key not in ("completion", "images"))
        assert [image.tobytes() for image in other["images"]] == [image.tobytes() for image in row["images"]]


def test_the_refusal_learnt_is_the_refusal_preferred():
    rows = world.rows(*world.PEOPLE, views=3)
    assert refused(rows, 1)["completion"][:] == refusal_rows(rows, 1)["chosen"][:]
    assert refused(rows, 1)["completion"][:] != refused(rows, 2)["completion"][:]
