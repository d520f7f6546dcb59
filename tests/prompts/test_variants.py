# SPDX-License-Identifier: Apache-2.0
"""Questions and sentences of the further configs: complete, apart from what is trained on, and without names."""

import re
import string

import pytest

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.prompts import variants
from crossmem_hf.prompts.questions import (
    FACT_PHRASES,
    MULTI_HOP_QUESTIONS,
    NAME_QUESTIONS,
    SINGLE_HOP_QUESTIONS,
)
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS
from crossmem_hf.prompts.variants import LINK_QUESTIONS, REWORDINGS, WRAPPERS, link_question

LINKS = [text for texts in LINK_QUESTIONS.values() for text in texts]
QUESTIONS = [*LINKS, *variants.HELD_OUT_NAME_QUESTIONS]
REWORDED = [text for texts in REWORDINGS.values() for text in texts]
WRAPPED = [text for texts in WRAPPERS.values() for text in texts]


def slots(text):
    return {slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}


def test_questions_name_a_subject_and_wrappers_hold_a_question():
    for text in (*LINKS, *REWORDED):
        assert slots(text) == {"fact", "subject"}, text
    assert all(slots(text) == {"subject"} for text in variants.HELD_OUT_NAME_QUESTIONS)
    assert all(slots(text) == {"question"} for text in WRAPPED)
    assert all(slots(text) == {"fact", "value"} for text in variants.ANSWER_SENTENCES)


def test_held_out_wordings_are_in_no_training_list():
    trained = [link.replace("{subject}", "{who}") for link in LINK_QUESTIONS["train"]]
    trained += [*SINGLE_HOP_QUESTIONS["train"], *MULTI_HOP_QUESTIONS["train"]]
    held_out = [*LINK_QUESTIONS["test"], *LINK_QUESTIONS["far"], *variants.HELD_OUT_NAME_QUESTIONS, *REWORDED]
    assert not set(trained) & {text.replace("{subject}", "{who}") for text in held_out}
    assert len(set(QUESTIONS + REWORDED + WRAPPED)) == len(QUESTIONS + REWORDED + WRAPPED)
    plain = {question.removeprefix("{description} ") for question in NAME_QUESTIONS.values()}
    queried = {
        link_question(text, "full_name", name=None, modality=modality)
        for text in (*variants.HELD_OUT_NAME_QUESTIONS, *REWORDED)
        for modality in MODALITIES
    }
    assert not plain & queried


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("attribute", ["full_name", *FACT_PHRASES])
def test_a_question_names_the_person_or_says_how_they_are_presented(modality, attribute):
    for text in (*LINKS, *REWORDED):
        named = link_question(text, attribute, name="Ada Moss", modality=modality)
        shown = link_question(text, attribute, name=None, modality=modality)
        assert "Ada Moss" in named
        assert named.replace("Ada Moss", variants.SUBJECTS[modality]) == shown
        assert ("image" in shown) == (modality == "image")
        assert not re.search(r"\ba [aeiou]", shown), shown


@pytest.mark.parametrize("fact", FACT_PHRASES)
def test_a_fact_may_be_called_by_its_other_name(fact):
    for text in LINKS:
        usual, other = (
            link_question(text, fact, name=None, modality="text", synonym=synonym) for synonym in (False, True)
        )
        assert other == usual.replace(FACT_PHRASES[fact], FACT_SYNONYMS[fact]) != usual


def test_no_template_holds_a_name():
    names = {word.lower() for person in sample_personas(1000) for word in person.full_name.split()}
    for text in (*QUESTIONS, *REWORDED, *WRAPPED, *variants.ANSWER_SENTENCES):
        assert not names & set(re.findall("[a-z]+", text.lower()))
