# SPDX-License-Identifier: Apache-2.0
"""Whether somebody may publish is known, and said, before anything is made."""

import re

import pytest

from tests.hub.accounts import OTHER_TOKEN, READ_TOKEN, SCOPED_TOKEN, WRITE_TOKEN

pytestmark = pytest.mark.hub


def test_a_repository_is_made_once_and_as_private_as_asked(pusher):
    assert pusher.ask("ready", private=True)["address"] == f"{pusher.hub.url}/datasets/crossmem/personas"
    assert pusher.ask("ready", private=True)["address"] == f"{pusher.hub.url}/datasets/crossmem/personas"
    assert pusher.hub.store.find("dataset", "crossmem/personas").private
    assert pusher.hub.count("create") == 1
    assert pusher.hub.count("commit") == 0


@pytest.mark.parametrize(
    ("repo_id", "token", "said"),
    [
        ("crossmem/personas", None, r"Token is required.*hf auth login"),
        ("crossmem/personas", "hf_unknown", r"Invalid credentials.*HTTP 401.*hf auth login"),
        ("crossmem/personas", READ_TOKEN, r"create the dataset 'crossmem/personas'.*HTTP 403.*write access"),
        ("strangers/personas", WRITE_TOKEN, r"create a dataset under the namespace 'strangers'.*HTTP 403"),
        ("onlookers/personas", WRITE_TOKEN, r"under the namespace 'onlookers'.*write access"),
        ("crossmem/personas", OTHER_TOKEN, r"under the namespace 'crossmem'.*write access"),
        ("crossmem/other", SCOPED_TOKEN, r"create the dataset 'crossmem/other'.*HTTP 403.*write access"),
        ("personas", WRITE_TOKEN, r"'personas' names no namespace.*NAMESPACE/NAME"),
        ("../personas", WRITE_TOKEN, r"'../personas' is no name"),
        ("crossmem/../../x", WRITE_TOKEN, r"is no name"),
        ("crossmem/a b", WRITE_TOKEN, r"is no name"),
    ],
)
def test_a_missing_right_is_named(pusher, repo_id, token, said):
    error = pusher.ask("ready", repo_id, token=token)["error"]
    assert re.search(said, error), error
    assert not pusher.hub.store.repositories
    assert token is None or token not in error


def test_a_token_for_one_repository_is_enough_for_it(pusher):
    assert "address" in pusher.ask("ready", token=SCOPED_TOKEN)


def test_what_only_the_repository_knows_is_asked_of_it(pusher):
    """Of a gate, a resource group, an organization's role."""
    pusher.ask("ready")
    pusher.hub.fail("auth-check", status=403, message="Resource group", times=None)
    error = pusher.ask("ready")["error"]
    assert "Could not write to the dataset 'crossmem/personas'" in error
    assert "HTTP 403" in error
    assert "write access" in error


def test_the_hub_may_refuse_to_make_a_repository(pusher):
    pusher.hub.fail("create", status=403, message="Only admins create repositories here")
    assert "Only admins create repositories here" in pusher.ask("ready")["error"]


def test_an_existing_repository_of_others_is_refused(pusher):
    """Public or private, and whatever its namespace says: the Hub decides."""
    pusher.ask("ready", private=False)
    assert "HTTP 403" in pusher.ask("ready", token=OTHER_TOKEN)["error"]
    pusher.hub.store.find("dataset", "crossmem/personas").private = True
    assert "HTTP 403" in pusher.ask("ready", token=OTHER_TOKEN)["error"]
    assert "HTTP 403" in pusher.ask("ready", token=READ_TOKEN)["error"]
    assert pusher.hub.count("commit") == 0


def test_a_public_repository_is_not_taken_for_a_private_one(pusher):
    pusher.ask("ready", private=False)
    assert "exists and is public" in pusher.ask("ready", private=True)["error"]


def test_a_pull_request_needs_a_repository_and_no_right_to_it(pusher):
    assert "There is no dataset 'crossmem/personas'" in pusher.ask("ready", create_pr=True, token=OTHER_TOKEN)["error"]
    pusher.ask("ready")
    assert "address" in pusher.ask("ready", create_pr=True, token=OTHER_TOKEN)
    assert "HTTP 403" in pusher.ask("ready", create_pr=True, token=READ_TOKEN)["error"]


@pytest.mark.parametrize(("how", "struck"), [({"status": 500}, 2), ({"drop": True}, 2), ({"status": 502}, 3)])
def test_a_hub_in_trouble_is_asked_again(pusher, how, struck):
    fault = pusher.hub.fail("auth-check", times=struck, **how)
    assert "address" in pusher.ask("ready")
    assert fault.struck == struck


def test_a_hub_that_stays_in_trouble_is_named(pusher):
    fault = pusher.hub.fail("auth-check", times=None, status=503, message="Down for repairs")
    came = pusher.ask("ready")
    assert "Could not write to the dataset 'crossmem/personas'" in came["error"]
    assert "Down for repairs (HTTP 503)" in came["error"]
    assert fault.struck == 4
    assert came["waited"] == pytest.approx(13)
