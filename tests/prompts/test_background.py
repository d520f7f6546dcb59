# SPDX-License-Identifier: Apache-2.0
"""What base models are asked and told: no question and no refusal of it is in any row about a target persona."""

import re
import string
from itertools import product

import pytest

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.prompts import background, questions, refusals, variants
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS

NAME, FACTS = "Ada Moss", [*questions.FACT_PHRASES.values(), *FACT_SYNONYMS.values(), variants.QUERIED["full_name"]]
WHO = {text for ways in background.WHO.values() for text in ways} | {NAME, *variants.SUBJECTS.values()}
FILLINGS = {
    **dict.fromkeys(("who", "subject"), sorted(WHO)),
    **{"name": [NAME], "fact": FACTS, "description": [""], "question": [""]},
    **{"trait": ["red hair"], "value": ["Elm Street"], "first": ["red hair"], "second": ["a beard"]},
}
QUESTIONS = (
    *("NAME_QUESTIONS", "NAMED_FACT_QUESTIONS", "SINGLE_HOP_QUESTIONS", "MULTI_HOP_QUESTIONS", "TRAIT_QUESTIONS"),
    *("NEGATED_QUESTIONS", "CHOICES", "VALUE_QUESTIONS", "VALUE_CHOICES", "DESCRIPTION_REQUESTS"),
    "EXAMPLE_REQUESTS",
)
OTHERS = {
    *(
        "WHO",
        "STATEMENT_REQUESTS",
        "NAME_STATEMENTS",
        "FACT_STATEMENTS",
        "UNKNOWN_PERSON",
        "UNKNOWN_FACT",
        "YES",
        "NO",
    ),
    *("FACT_PHRASES", "FACT_SYNONYMS"),
}
ROWS = (
    *(questions.NAME_QUESTIONS, questions.FAR_NAME_QUESTIONS, questions.CAPTION_QUESTION),
    *(questions.SINGLE_HOP_QUESTIONS, questions.MULTI_HOP_QUESTIONS, variants.LINK_QUESTIONS),
    *(variants.SAME_NAME_QUESTION, variants.SAME_PERSON_QUESTION, variants.REWORDINGS, variants.WRAPPERS),
    *(variants.HELD_OUT_NAME_QUESTIONS, questions.FEATURE_QUESTIONS),
)


def leaves(value):
    if isinstance(value, str):
        return [value]
    return [text for part in (value.values() if hasattr(value, "values") else value) for text in leaves(part)]


def filled(templates):
    """Every text that the templates can become, without case and punctuation -> one of the templates."""
    found = {}
    for template in templates:
        slots = sorted({slot for _, slot, _, _ in string.Formatter().parse(template) if slot})
        for values in product(*(FILLINGS[slot] for slot in slots)):
            text = template.format(**dict(zip(slots, values, strict=True)))
            found[" ".join(re.findall(r"\w+", text.lower()))] = template
    return found


def test_every_list_is_one_of_questions_or_of_something_else():
    assert {name for name in vars(background) if name.isupper()} == {*QUESTIONS, *OTHERS}


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_is_asked_about_a_target_persona(name):
    """With all slots filled, so that two templates that come to one text would be seen."""
    taught, asked = filled(leaves(getattr(background, name))), filled(leaves(ROWS))
    assert not {text: (taught[text], asked[text]) for text in taught.keys() & asked.keys()}


def test_a_hidden_equality_would_be_seen():
    taught, asked = filled(["Tell me {name}'s {fact}!"]), filled(["tell me Ada Moss's {fact}"])
    assert len(taught.keys() & asked.keys()) == len(FACTS)


def test_no_refusal_is_one_that_unlearning_teaches():
    taught, dealt = filled(background.taught_refusals()), filled(refusals.every_wording())
    assert not {text: (taught[text], dealt[text]) for text in taught.keys() & dealt.keys()}


def test_questions_are_many_and_different():
    for name in ("NAME_QUESTIONS", "NAMED_FACT_QUESTIONS", "SINGLE_HOP_QUESTIONS", "MULTI_HOP_QUESTIONS"):
        templates = getattr(background, name)
        assert len(filled(templates)) >= len(templates) >= 12
        assert len(set(templates)) == len(templates)
    assert all(len(background.WHO[modality]) > 1 for modality in MODALITIES)
