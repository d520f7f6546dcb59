# SPDX-License-Identifier: Apache-2.0
"""Questions about background personas, as base models are asked them."""

from dataclasses import replace
from itertools import dropwhile

import pytest

from crossmem_hf.models.micro.tasks import TASKS, Query, asked_about, drawn_query
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.questions import FACT_PHRASES
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS, FILLERS
from crossmem_hf.seeding import rng_for

PRESENTED = (*MODALITIES, None)
FACTS = ("fact", "unknown_fact", "told_fact")
"""The tasks that may ask about a name alone."""


@pytest.fixture(scope="session")
def strewn(background):
    """As `drawn`, with the words without meaning that may stand before a question."""
    rng, found = rng_for(0, "questions"), {}
    for modality in PRESENTED:
        tasks = FACTS if modality is None else tuple(TASKS)
        found[modality] = [
            drawn_query(background, rng, rng.choice(asked_about(task, background)), task, modality)
            for task in tasks
            for _ in range(2100 // len(tasks))
        ]
    return found


@pytest.fixture(scope="session")
def drawn(strewn):
    """Modality (None: a name alone) -> two thousand questions or more, of each task alike."""
    return {
        modality: [replace(query, question=without_fillers(query.question)) for query in queries]
        for modality, queries in strewn.items()
    }


def without_fillers(question):
    """The question from its first word with a meaning on."""
    words = question.split(" ")
    return " ".join(dropwhile(FILLERS.__contains__, words))


@pytest.fixture(scope="session")
def few(drawn):
    """Modality -> two questions of each task; their prompts and answers differ in length."""
    return {
        modality: [query for place, query in enumerate(queries) if place % (len(queries) // 14) in (0, 1)][:28]
        for modality, queries in drawn.items()
    }


FACT_WORDS = {called: fact for fact in FACT_ATTRIBUTES for called in (FACT_PHRASES[fact], FACT_SYNONYMS[fact])}
"""What a question may call a private fact -> the fact."""


def asked(persona, **parts):
    """A question for the name, unless parts say otherwise."""
    usual = {"modality": "image", "split": "train", "view": 0, "question": "Who?", "task": "name"}
    return Query(**{"persona": persona, "answer": persona.full_name, **usual, **parts})
