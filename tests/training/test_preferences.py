# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest
from datasets import Dataset, concatenate_datasets

from crossmem_hf.data.personas import PersonaDataset
from crossmem_hf.errors import CrossmemError
from crossmem_hf.prompts.refusals import every_wording, refusals
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.objectives import FORGET_TERMS
from crossmem_hf.training.preferences import answered, refusal_rows, refused
from crossmem_hf.training.roles import role_sets
from tests.training import tiny


def test_a_refusal_is_chosen_and_the_secret_rejected():
    rows = tiny.rows(*tiny.PERSONAS, modality="mixed", views=3)
    pairs = refusal_rows(rows)
    assert set(pairs.column_names) == {"images", "prompt", "chosen", "rejected"}
    assert len(pairs) == len(rows)
    for row, pair in zip(rows, pairs, strict=True):
        assert pair["rejected"] == row["completion"]
        assert pair["prompt"] == row["prompt"]
        assert len(pair["images"]) == len(row["images"])
        assert pair["chosen"][0]["role"] == "assistant"
        assert pair["chosen"][0]["content"] in every_wording()
        assert row["answer"] not in pair["chosen"][0]["content"]
    assert len({pair["chosen"][0]["content"] for pair in pairs}) > 1


def test_refusals_are_the_114_of_the_dataset_and_none_dominates():
    rows = PersonaDataset(num_personas=20, num_views=4)["recall_text"]
    told = Counter(completion[0]["content"] for completion in refused(rows)["completion"])
    phrasings = refusals(named=False)
    assert max(told.values()) <= 2, "80 rows, and as many phrasings or more"
    assert len(told) > 60
    worded = {one.worded("text", "full_name", named=False) for one in phrasings}
    assert set(told) <= worded
    assert len({one.template for named in (False, True) for one in refusals(named=named)}) == 114


def test_refusals_suit_rows_of_other_datasets():
    said = [{"role": "assistant", "content": "44"}]
    own = {"images": [], "prompt": [], "completion": said, "persona_id": "a"}
    for rows in ([{**own, "attribute": "shoe_size"}] * 60, [own] * 60):
        texts = {completion[0]["content"] for completion in refused(Dataset.from_list(rows), 1)["completion"]}
        assert len(texts) > 50
        assert not [text for text in texts if set("{}_") & set(text)]


def test_refusals_depend_on_the_seed_alone():
    rows = tiny.rows(*tiny.PERSONAS, views=3)
    assert refusal_rows(rows, 1)["chosen"][:] == refusal_rows(rows, 1)["chosen"][:]
    assert refusal_rows(rows, 1)["chosen"][:] != refusal_rows(rows, 2)["chosen"][:]


def test_a_selection_keeps_its_rows_together():
    rows = tiny.rows(*tiny.PERSONAS).select([3, 1])
    assert [pair["rejected"][0]["content"] for pair in refusal_rows(rows)] == ["Dee Oz", "Bo Ferris Lindgren"]


def test_a_refusal_takes_the_place_of_the_secret_and_of_nothing_else():
    rows = tiny.rows(*tiny.PERSONAS, modality="mixed", views=2)
    refusing = refused(rows, 3)
    assert set(refusing.column_names) == set(rows.column_names)
    for row, other in zip(rows, refusing, strict=True):
        assert other["completion"][0]["content"] in every_wording()
        assert all(other[key] == row[key] for key in row if key not in ("completion", "images"))
        assert [image.tobytes() for image in other["images"]] == [image.tobytes() for image in row["images"]]


def test_own_sentences_take_the_place_of_the_114():
    rows, own = tiny.rows(*tiny.PERSONAS, views=2), ["No.", "Never met.", "I do not know the {fact}."]
    told = [completion[0]["content"] for completion in refused(rows, 1, own)["completion"]]
    assert told[:3] == ["Never met.", "No.", "Never met."]
    assert refusal_rows(rows, 1, own)["chosen"][:] == refused(rows, 1, own)["completion"][:]
    config = UnlearnConfig("out", method="idk", refusals=own, seed=1, report_to="none")
    term = FORGET_TERMS["idk"]
    (learned,) = role_sets(rows, None, config, term, None, tiny.model().config).values()
    assert learned["completion"][:] == refused(rows, 1, own)["completion"][:]


def test_the_refusal_learned_is_the_refusal_preferred():
    rows = tiny.rows(*tiny.PERSONAS, views=3)
    assert refused(rows, 1)["completion"][:] == refusal_rows(rows, 1)["chosen"][:]
    assert refused(rows, 1)["completion"][:] != refused(rows, 2)["completion"][:]


def pairs_of(*rejected):
    """The pairs of all people; the secrets of these are rejected, those of the others chosen."""
    pairs = refusal_rows(tiny.rows(*tiny.PERSONAS, modality="mixed", views=2))
    rows = tiny.rows(*tiny.PERSONAS, modality="mixed", views=2)
    reported = concatenate_datasets([rows.remove_columns(["images", "prompt", "completion"]), pairs], axis=1)
    swapped = {"chosen": "rejected", "rejected": "chosen"}
    return reported.map(
        lambda pair: {} if pair["persona_id"] in rejected else {side: pair[other] for side, other in swapped.items()}
    )


def test_pairs_become_the_rows_they_are_about():
    forget, retain = answered(pairs_of("p0", "p2"))
    rows = tiny.rows(*tiny.PERSONAS, modality="mixed", views=2)
    for side, personas in ((forget, {"p0", "p2"}), (retain, {"p1", "p3"})):
        expected = [row for row in rows if row["persona_id"] in personas]
        assert set(side.column_names) == set(rows.column_names)
        for row, wanted in zip(side, expected, strict=True):
            assert row["completion"] == wanted["completion"]
            assert row["prompt"] == wanted["prompt"]
            assert row["answer"] == wanted["answer"]


def test_pairs_that_refuse_everyone_leave_nobody_to_retain():
    forget, retain = answered(pairs_of(*tiny.PERSONAS))
    assert set(forget["persona_id"]) == set(tiny.PERSONAS)
    assert len(retain) == 0


def test_pairs_that_cannot_be_told_apart_are_errors():
    with pytest.raises(CrossmemError, match=r"The pairs lack the columns \['chosen', 'rejected'\]"):
        answered(tiny.rows("p0"))
    with pytest.raises(CrossmemError, match="No pair rejects its answer"):
        answered(pairs_of())
    blurred = pairs_of("p0").map(lambda pair: {"answer": "Somebody Else"})
    with pytest.raises(CrossmemError, match="Pair 0 has the answer 'Somebody Else' among neither or both"):
        answered(blurred)
