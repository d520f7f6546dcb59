# SPDX-License-Identifier: Apache-2.0
"""Base models meet no target persona, and none of the views, sentences and questions that rows about targets have."""

import re
from collections import Counter
from itertools import chain

from crossmem_hf.personas.naming import NAMES_PER_POPULATION, full_name
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.prompts import questions, synonyms, variants
from crossmem_hf.prompts.questions import DESCRIPTION_FRAMES
from crossmem_hf.prompts.synonyms import SYNONYMS
from crossmem_hf.rendering.views import COVERS, LAYOUTS, view_for
from tests.models.micro.conftest import FACT_WORDS

WORLDS = range(10)


def test_nobody_unseen_and_no_target_is_asked_about(drawn, background):
    seen = {one.id for one in background.seen}
    assert {query.persona.id for query in chain.from_iterable(drawn.values())} <= seen
    assert {one[0] for one in seen} == {"b"}


def test_no_word_is_a_target_name_of_any_world(drawn, corpus):
    names = {full_name(index, world, "target") for world in WORLDS for index in range(NAMES_PER_POPULATION)}
    targets = {word.lower() for name in names for word in name.split()}
    assert len(targets) == 103 + 107
    texts = [text for query in chain.from_iterable(drawn.values()) for text in (query.words, query.answer)]
    assert not targets & set(re.findall(r"\w+", " ".join([*texts, *corpus]).lower()))


def test_values_of_taught_facts_are_no_secret_of_a_target(background):
    """Facts that only one person has; jobs and conditions come from short lists."""
    alone = ("email", "address", "phone", "financial_tag")
    secrets = {one.facts[fact] for world in WORLDS for one in sample_personas(50, world) for fact in alone}
    assert not secrets & {value for fact in alone for value in background.values[fact]}


def test_views_are_of_the_training_families(drawn):
    layouts, covers = Counter(), Counter()
    for query in drawn["image"]:
        view = view_for(query.persona, query.split, query.view)
        layouts[view.layout] += 1
        covers[view.cover.shape if view.cover else None] += 1
    assert layouts.keys() == {*LAYOUTS["train"], *LAYOUTS["wide"]}
    assert covers.keys() == {None, *COVERS["wide"]}
    assert {query.split for query in chain.from_iterable(drawn.values())} == {"train", "wide"}


def descriptions(drawn):
    """Those that prompts begin with, and those that are answers."""
    for query in chain.from_iterable(drawn.values()):
        if query.modality == "text":
            yield query.persona, query.words.removesuffix(f" {query.question}")
        if query.task == "description":
            yield query.persona, query.answer


def test_no_description_has_a_held_out_frame(drawn):
    held_out = [
        re.compile("(.+)".join(map(re.escape, frame.split("{traits}"))))
        for split in ("validation", "test", "far")
        for frame in DESCRIPTION_FRAMES[split]
    ]
    said = [text for _, text in descriptions(drawn)]
    assert len(said) > 2000
    assert [text for text in said if any(frame.fullmatch(text) for frame in held_out)] == []


def test_no_description_has_a_phrase_of_the_far_family(drawn):
    """The words of the family are met, its phrases are not."""
    for persona, text in descriptions(drawn):
        other = {name: SYNONYMS[name].get(value) for name, value in persona.visual_attributes.items()}
        slots = {**other, "cut": other["hair_style"], "garment": other["clothing"]}
        for trait, ways in synonyms.TRAIT_PHRASES["far"].items():
            needed = [slots[name] for name in re.findall(r"{(\w+)}", ways[0])]
            if None not in needed:
                assert not [way for way in ways if way.format(**slots) in text], (trait, text)


ROW_QUESTIONS = (
    *questions.NAME_QUESTIONS.values(),
    *chain.from_iterable(questions.FAR_NAME_QUESTIONS.values()),
    *chain.from_iterable(questions.SINGLE_HOP_QUESTIONS.values()),
    *chain.from_iterable(questions.MULTI_HOP_QUESTIONS.values()),
    *chain.from_iterable(variants.LINK_QUESTIONS.values()),
    *chain.from_iterable(variants.REWORDINGS.values()),
    *chain.from_iterable(variants.WRAPPERS.values()),
    *variants.HELD_OUT_NAME_QUESTIONS,
    *(variants.SAME_NAME_QUESTION, variants.SAME_PERSON_QUESTION, questions.CAPTION_QUESTION),
)
SLOTS = {
    "fact": f"(?:{'|'.join((*FACT_WORDS, 'full name'))})",
    "who": r"(?:the person in this image|the person described|\w+ \w+)",
    "name": r"\w+ \w+",
    "subject": r"(?:the person in this image|the person described|\w+ \w+)",
    "question": ".+",
}


def as_pattern(template):
    parts = re.split(r"{(\w+)}", template.removeprefix("{description} "))
    return re.compile("".join(SLOTS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts)))


def test_no_question_is_one_of_the_rows_about_targets(drawn):
    patterns = [as_pattern(template) for template in ROW_QUESTIONS]
    assert as_pattern(questions.MULTI_HOP_QUESTIONS["train"][0]).fullmatch("What is the job of the person described?")
    asked = {query.question for query in chain.from_iterable(drawn.values())}
    assert len(asked) > 3000
    assert [question for question in asked if any(pattern.fullmatch(question) for pattern in patterns)] == []
