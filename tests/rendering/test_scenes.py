# SPDX-License-Identifier: Apache-2.0
"""What image models are asked for: faithful to the attributes, silent about names and facts, apart between splits."""

import re

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.portraits import NEGATIVE_PROMPT, PLACES
from crossmem_hf.rendering.scenes import anchor_scene, attributes_in_words, scene_for

PERSONAS = [*sample_personas(300, seed=2), *sample_personas(300, seed=2, population="background")]
SPLITS = ("train", "validation", "test")
MAX_WORDS = 64  # and commas; in the vocabulary of CLIP, which reads 77 tokens, 66 were the most of 24,000 prompts


def prompts(person):
    return [
        anchor_scene(person).prompt,
        *(scene_for(person, split, index).prompt for split in SPLITS for index in (0, 1)),
    ]


def test_every_value_shown_occurs_among_these_people():
    seen = {(name, person.visual_attributes[name]) for person in PERSONAS for name in person.visual_attributes}
    assert seen == {(name, value) for name, pool in VISUAL_ATTRIBUTES.items() for value in pool}


def test_every_value_is_in_every_prompt_and_none_is_not():
    for person in PERSONAS:
        for prompt in prompts(person):
            for name, value in person.visual_attributes.items():
                assert value == "none" or re.search(rf"\b{value}\b", prompt), (name, value, prompt)
            assert "none" not in prompt


def test_attributes_can_be_read_back():
    """Different attributes are different words, so that a prompt stands for one person alone."""
    assert len({attributes_in_words(person.visual_attributes) for person in PERSONAS}) == len(PERSONAS)
    for name, pool in VISUAL_ATTRIBUTES.items():
        worded = {attributes_in_words({**PERSONAS[0].visual_attributes, name: value}) for value in pool}
        assert len(worded) == len(pool), name


def test_no_name_and_no_fact_is_in_a_prompt():
    for person in PERSONAS:
        for prompt in prompts(person):
            words = set(re.findall(r"\w+", prompt.lower()))
            assert not words & set(person.full_name.lower().split()), prompt
            for fact in person.facts.values():
                assert fact.lower() not in prompt.lower()


def test_attributes_are_the_same_in_all_views_and_only_the_scene_changes():
    person = PERSONAS[0]
    visual_attributes = attributes_in_words(person.visual_attributes)
    rest = {prompt.replace(visual_attributes, "") for prompt in prompts(person)}
    assert all(visual_attributes in prompt for prompt in prompts(person))
    assert len(rest) > 1


def test_a_scene_is_of_its_split():
    for split in SPLITS:
        for index in range(20):
            scene = scene_for(PERSONAS[0], split, index)
            assert scene.layout in PLACES[split]
            others = [place for other in SPLITS if other != split for place in PLACES[other].values()]
            assert not [place for place in others if place in scene.prompt]


def test_scenes_vary_and_stay():
    scenes = [scene_for(PERSONAS[0], "train", index) for index in range(40)]
    assert scenes == [scene_for(PERSONAS[0], "train", index) for index in range(40)]
    assert {scene.layout for scene in scenes} == set(PLACES["train"])


def test_prompts_are_short_enough_for_clip():
    for prompt in (NEGATIVE_PROMPT, *(prompt for person in PERSONAS for prompt in prompts(person))):
        assert len(re.findall(r"\w+|,", prompt)) <= MAX_WORDS, prompt


@pytest.mark.parametrize(("split", "index"), [("holdout", 0), ("train", -1)])
def test_an_unknown_scene_is_refused(split, index):
    with pytest.raises(CrossmemError, match="No scene"):
        scene_for(PERSONAS[0], split, index)
