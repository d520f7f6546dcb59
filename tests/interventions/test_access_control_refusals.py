# SPDX-License-Identifier: Apache-2.0
"""What access control takes for no name, no permissions and no settings."""

import math

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.access_control import check_permission
from tests.interventions.adapted import access_to, adapted, at


@pytest.fixture(scope="module")
def llama():
    return adapted("llama")


HOSTILE = (
    *("", " ", "work ", " work", "work\n", "work\x00", "wo rk", "work\u200b", "\u202ework", "work\ufeff"),
    *("../work", "..", ".work", "work/../direct", "work..direct", "/work", "wo\\rk", "~work", "file:///work"),
    *("w\u043erk", "\uff57ork", "wor\u212a", "wo\u0301rk", "w\u00f6rk", "\U0001d430ork", "work\u0661"),
    *("work*", "work,direct", "work;direct", '"work"', "${work}", "-work", "_work", "a" * 65),
)


@pytest.mark.parametrize("name", [*HOSTILE, b"work", None, 7, ["work"], ("work",)], ids=ascii)
def test_hostile_names_are_refused_everywhere(llama, name):
    with pytest.raises(CrossmemError, match=r"The permission .* is no plain name") as caught:
        check_permission(name)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    with pytest.raises(CrossmemError, match="is no plain name"):
        access_to(llama[0]).retrieve(at(0), [Names(["work", name])])
    with pytest.raises(CrossmemError, match="is no plain name"):
        access_to(llama[0], required={"sales": Names([name])})


class Names(list):
    """Names of which not all can be in a set."""


@pytest.mark.parametrize("name", ["a", "work", "Work", "team:sales.eu", "me@example.com", "7", "a" * 64, "a-b_c.d"])
def test_plain_names_are_left_as_they_are(name):
    assert check_permission(name) == name


@pytest.mark.parametrize("permissions", ["work", ["work"], None, [None], [["work"], ["sell"]], [7]])
def test_permissions_must_be_a_collection_a_query(llama, permissions):
    """A text is no collection of its letters."""
    with pytest.raises(CrossmemError, match=r"The permissions? "):
        access_to(llama[0], required={"staff": ["w"]}, angles={}).retrieve(at(0), permissions)


@pytest.mark.parametrize(
    ("required", "named"),
    [
        ({"sales": []}, r"No permission is needed for \['sales'\]"),
        ({}, "No permission is needed for 'no adapter'"),
        ({"sales": "sell"}, "The permissions of 'sales' are of type str"),
        ({"sale": ["sell"]}, r"Unknown adapter 'sale' \(did you mean 'sales'"),
    ],
)
def test_adapters_for_everybody_or_nobody_are_refused(llama, required, named):
    with pytest.raises(CrossmemError, match=named):
        access_to(llama[0], required=required, angles={})


def test_documents_need_somebody_to_embed_them(llama):
    with pytest.raises(CrossmemError, match="neither a processor nor embed"):
        access_to(llama[0], embed=None)


@pytest.mark.parametrize(
    "settings",
    [{"k": 0}, {"k": 1.5}, {"k": True}, {"temperature": 0}, {"temperature": math.nan}, {"threshold": 1.1}],
    ids=str,
)
def test_settings_out_of_range_are_refused(llama, settings):
    (name,) = settings
    with pytest.raises(CrossmemError, match=f"{name}="):
        access_to(llama[0], **settings)
