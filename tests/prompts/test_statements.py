# SPDX-License-Identifier: Apache-2.0
"""Statements that an answer completes."""

from itertools import product

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.prompts.questions import FACT_PHRASES, MULTI_HOP_QUESTIONS, SINGLE_HOP_QUESTIONS
from crossmem_hf.prompts.statements import statement


def test_name_is_said_with_one_hop_only_and_every_fact_is():
    for modality, hops, fact in product(MODALITIES, (1, 2), FACT_PHRASES):
        said = statement(modality, hops, fact, "Ada Moss")
        assert ("Ada Moss" in said) == (hops == 1)
        assert said.partition(FACT_PHRASES[fact])[2].endswith(" is"), said


def test_statement_of_two_hops_from_a_picture_is_that_of_the_paper():
    assert statement("image", 2, "job", "") == "The job of the person in the image is"


def test_no_question_holds_a_statement():
    questions = [one for own in (*SINGLE_HOP_QUESTIONS.values(), *MULTI_HOP_QUESTIONS.values()) for one in own]
    for modality, hops in product(MODALITIES, (1, 2)):
        begun = statement(modality, hops, "job", "Ada Moss")
        assert not [one for one in questions if begun in one]
