# SPDX-License-Identifier: Apache-2.0
"""Two lists of users who share nothing with each other, nor with any persona."""

from itertools import chain

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.naming import is_name
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.users import FIELDS, USER_LISTS, USERS_PER_LIST, user_lists
from crossmem_hf.personas.values import FIRST_ENDINGS, FIRST_SYLLABLES, LAST_ENDINGS, LAST_SYLLABLES


def everyone(seed=0):
    return list(chain.from_iterable(user_lists(seed).values()))


@pytest.mark.parametrize("seed", range(5))
def test_no_value_of_any_field_occurs_twice(seed):
    assert {name: len(users) for name, users in user_lists(seed).items()} == dict.fromkeys(USER_LISTS, USERS_PER_LIST)
    for field in FIELDS:
        assert len({getattr(user, field) for user in everyone(seed)}) == 2 * USERS_PER_LIST, field


@pytest.mark.parametrize("seed", range(5))
def test_lists_share_no_word_of_a_value(seed):
    words = [
        {word for user in users for field in FIELDS for word in getattr(user, field).split()}
        for users in user_lists(seed).values()
    ]
    assert not words[0] & words[1]


def test_users_are_no_persona():
    persona_names = {head + tail for head in FIRST_SYLLABLES for tail in FIRST_ENDINGS}
    persona_names |= {head + tail for head in LAST_SYLLABLES for tail in LAST_ENDINGS}
    facts = [fact for persona in sample_personas(100) for fact in persona.facts.values()]
    for seed in range(5):
        for user in everyone(seed):
            assert not is_name(user.username)
            assert not persona_names & set(user.username.split())
            own = (user.username, user.user_id, user.camera, user.capture_time, user.capture_location)
            assert not [fact for fact in facts for value in own if value in fact or fact in value]


def test_lists_are_drawn_by_the_seed():
    assert everyone(3) == everyone(3) != everyone(4)


def test_lines_are_keys_and_values_and_a_single_one_a_value():
    user = everyone()[0]
    assert [line.split(": ")[0] for line in user.lines()] == list(FIELDS)
    assert user.lines()[0] == f"username: {user.username}"
    assert user.lines(["user_id"]) == (user.user_id,)
    assert len(user.user_id) == 10
    assert user.user_id.isdecimal()


def test_lines_name_unknown_fields():
    with pytest.raises(CrossmemError, match=r"Unknown field 'usernam' \(did you mean 'username'"):
        everyone()[0].lines(["usernam"])
