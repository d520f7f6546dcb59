# SPDX-License-Identifier: Apache-2.0
"""Rows with statements present the same persona in the same view, and are completed by the same answer."""

import pytest

from crossmem_hf import load_model
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.personas.background import Background
from crossmem_hf.prompts.questions import FACT_PHRASES
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.statement_rows import KnownFactRows, StatementRows

SPEC = DatasetSpec(num_personas=5, num_views=2, qa_per_persona=4)


@pytest.mark.parametrize("config", ["qa", "qa_test", "qa_far"])
def test_only_the_words_are_others(config):
    asked = TrainingRows(configs=(config,), split="forget").of(SPEC)
    stated = StatementRows(configs=(config,), split="forget").of(SPEC)
    assert len(asked) == len(stated) > 0
    kept = [name for name in asked.column_names if name not in ("prompt", "images")]
    assert asked.select_columns(kept)[:] == stated.select_columns(kept)[:]
    for one, other in zip(asked, stated, strict=True):
        assert [image.tobytes() for image in one["images"]] == [image.tobytes() for image in other["images"]]
        presented, begun = other["prompt"]
        assert (presented["role"], begun["role"]) == ("user", "assistant")
        description = presented["content"]
        assert bool(description) == (one["modality"] == "text")
        assert one["prompt"][0]["content"].startswith(description), "the question begins with the same description"
        assert FACT_PHRASES[one["attribute"]] in begun["content"]
        assert one["answer"] not in begun["content"]


def test_answer_goes_on_with_the_statement(tiny_model):
    _, processor = load_model(str(tiny_model))
    row = StatementRows(configs=("qa_test",), split="forget", modality="image").of(SPEC)[0]
    assert prompt_text(processor, row).endswith(row["prompt"][1]["content"])


@pytest.mark.parametrize("hops", [1, 2])
def test_known_facts_are_those_of_background_personas(hops):
    rows = KnownFactRows(modality="image", num_personas=2, hops=hops).of(SPEC)
    people = {one.id: one for one in Background().with_facts[:2]}
    assert len(rows) == 2 * len(FACT_PHRASES)
    assert set(rows["persona_id"]) == {*people}
    for row in rows:
        persona = people[row["persona_id"]]
        assert row["answer"] == persona.facts[row["attribute"]]
        assert (persona.full_name in row["prompt"][1]["content"]) == (hops == 1)
        assert len(row["images"]) == 1
