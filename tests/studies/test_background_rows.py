# SPDX-License-Identifier: Apache-2.0
"""Rows about background personas: who is asked about, and that what is replayed is not what utility asks (slow: all
background personas are drawn)."""

from collections import Counter

import pytest

from crossmem_hf.personas.background import Background
from crossmem_hf.prompts.background import UNKNOWN_PERSON
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.background_rows import KnownNames, Replay, UtilityRows
from crossmem_hf.studies.settings import StudySettings

pytestmark = pytest.mark.slow
SPEC = StudySettings(num_personas=10, num_views=2, seeds=1).spec(0)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_known_names_are_asked_as_target_names_are(modality):
    rows = KnownNames(modality=modality, num_personas=3, num_views=2).of(SPEC)
    known = Background().named[:3]
    assert [(row["persona_id"], row["answer"]) for row in rows] == [(p.id, p.full_name) for p in known for _ in "12"]
    assert {(row["modality"], len(row["images"])) for row in rows} == {(modality, int(modality == "image"))}
    target = TrainingRows(configs=(f"recall_{modality}",), split="train")
    both = TrainingRows(
        configs=target.configs, split="train", besides=KnownNames(modality=modality, num_personas=3, num_views=2)
    ).of(SPEC)
    assert both["template"][:20] == target.of(SPEC)["template"]
    assert len(both) == 26


def test_known_names_and_strangers_are_replayed():
    rows = Replay(num_known=3, num_strangers=7).of(SPEC)
    background = Background()
    for modality in ("image", "text"):
        own = [row for row in rows if row["modality"] == modality]
        assert {len(row["images"]) for row in own} == {int(modality == "image")}
        assert [(row["persona_id"], row["answer"]) for row in own] == [
            *((one.id, one.full_name) for one in background.named[-3:]),
            *((one.id, UNKNOWN_PERSON[number % 6]) for number, one in enumerate(background.unnamed[:7])),
        ]
    assert [row["completion"][0]["content"] for row in rows] == rows["answer"][:]


def test_what_is_replayed_is_not_what_utility_asks():
    replayed, asked = Replay().of(SPEC), UtilityRows().of(SPEC)
    assert Counter(row["answer"] in UNKNOWN_PERSON for row in replayed) == {False: 400, True: 240}
    assert not set(replayed["persona_id"]) & set(asked["persona_id"])
