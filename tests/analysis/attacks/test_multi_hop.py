# SPDX-License-Identifier: Apache-2.0
"""Every question that names the person is asked without the name, in the words of two hops; nothing else is."""

import pytest

from crossmem_hf.analysis.attacks.multi_hop import multi_hop
from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.population import all_personas
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.prompts.questions import MULTI_HOP_QUESTIONS, fact_question
from crossmem_hf.rendering.prose import describe
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)

FEW = {"num_personas": 2, "forget_fraction": 0.5, "num_views": 4, "qa_per_persona": 8, "image_size": 48}


def asked_by(config, answering):  # noqa: F811
    rows = load_rows(None, config, "forget", **FEW)
    asked = answering(lambda question, truth, _: truth if is_of_two_hops(question) else "I do not know")
    found = multi_hop(Evaluator(rows, metrics=["recall"], max_new_tokens=3), None, None)
    return rows, found, asked


def is_of_two_hops(question):
    return not any(one.full_name in question for one in all_personas(2, 0))


@pytest.mark.parametrize(("config", "family"), [("qa", "train"), ("qa_test", "test"), ("qa_far", "far")])
def test_a_model_that_knows_faces_and_not_names_is_found_out(config, family, answering):  # noqa: F811
    rows, found, asked = asked_by(config, answering)
    wordings = MULTI_HOP_QUESTIONS[family]
    named = [row for row in rows if row["hops"] == 1]
    assert {row["modality"] for row in named} == {"image", "text"}
    for row, one in zip(rows, found, strict=True):
        assert one["num_samples"] == (1 + len(wordings) if row["hops"] == 1 else 1)
        assert one["extracted"]
        assert one["correct"] == (row["hops"] == 2)
    people = {one.id: one for one in all_personas(2, 0)}
    expected = []
    for row in named:
        about = describe(people[row["persona_id"]], family, row["view"]).text if row["modality"] == "text" else ""
        filled = {"name": "", "description": about, "synonym": family == "far"}
        expected.append((fact_question(wordings[0], row["modality"], row["attribute"], **filled), len(row["images"])))
    first = asked[: len(named)]
    assert sorted((row["prompt"][-1]["content"], len(row["images"])) for row in first) == sorted(expected)


def test_rows_that_name_nobody_are_refused(answering):  # noqa: F811
    answering(lambda *_: "no")
    rows = load_rows(None, "recall_text", "test", **FEW)
    with pytest.raises(CrossmemError, match="None of the ways"):
        multi_hop(Evaluator(rows, metrics=["recall"], max_new_tokens=3), None, None)
