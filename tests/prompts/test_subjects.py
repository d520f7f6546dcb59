# SPDX-License-Identifier: Apache-2.0
"""The words that say whom a question is about are found in every question of ours."""

import pytest

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.prompts.questions import MULTI_HOP_QUESTIONS, SINGLE_HOP_QUESTIONS, fact_question, name_question
from crossmem_hf.prompts.subjects import IRRELEVANT, SUBJECT_PHRASES, subject_of
from crossmem_hf.prompts.variants import LINK_QUESTIONS

LOOKS = "Someone with red hair, a scarf. A portrait"


def asked(question, modality, **about):
    return fact_question(question, modality, "job", **{"name": "", "description": LOOKS, **about})


@pytest.mark.parametrize("modality", MODALITIES)
def test_names_are_found_in_one_hop_questions(modality):
    for person in sample_personas(3):
        for question in (one for several in SINGLE_HOP_QUESTIONS.values() for one in several):
            assert subject_of(asked(question, modality, name=person.full_name)) == person.full_name
        for question in (one for several in LINK_QUESTIONS.values() for one in several):
            assert subject_of(question.format(fact="job", subject=person.full_name)) == person.full_name


@pytest.mark.parametrize("modality", MODALITIES)
def test_who_is_not_named_is_found_by_what_stands_for_them(modality):
    questions = [asked(one, modality) for several in MULTI_HOP_QUESTIONS.values() for one in several]
    near = name_question(modality, "test", 0).format(description=LOOKS)
    for question in (*questions, near):
        assert subject_of(question) in SUBJECT_PHRASES


def test_the_question_of_remem():
    assert subject_of("What is the name of this person in the image?") == "this person"


def test_what_is_not_known_is_not_guessed():
    assert subject_of("Who?") is None


def test_things_are_no_subjects():
    assert len(IRRELEVANT) == len(set(IRRELEVANT))
    assert not any(phrase in thing for thing in IRRELEVANT for phrase in ("person", "image", "{"))
