# SPDX-License-Identifier: Apache-2.0
"""A persona is a value: it does not change, and it becomes plain JSON."""

import json
from dataclasses import FrozenInstanceError

import pytest

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES, NEAR_SPLITS, VIEW_SPLITS


def test_a_persona_does_not_change():
    persona = sample_personas(1)[0]
    assert repr(persona) == f"Persona({persona.id} {persona.full_name})"
    with pytest.raises(FrozenInstanceError):
        persona.full_name = "Somebody Else"


def test_a_persona_is_plain_json():
    persona = sample_personas(1)[0]
    read = json.loads(json.dumps(persona.as_json()))
    assert list(read) == ["id", "index", "seed", "population", "full_name", "visual_attributes", "facts"]
    assert (read["visual_attributes"], read["facts"]) == (persona.visual_attributes, persona.facts)


def test_equal_fields_make_equal_personas():
    first, again = sample_personas(1)[0], sample_personas(1)[0]
    assert first == again
    assert first is not again


def test_the_names_of_splits_and_modalities_are_fixed():
    assert (MODALITIES, NEAR_SPLITS) == (("image", "text"), ("train", "validation", "test"))
    assert (*NEAR_SPLITS, "far") == VIEW_SPLITS
