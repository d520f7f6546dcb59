# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.prompts import REFUSALS
from crossmem_hf.training.preferences import refusal_rows
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
