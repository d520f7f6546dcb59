# SPDX-License-Identifier: Apache-2.0
"""The faults that the stand-in for the Hub can be told to have."""

import http.client
import time

import pytest

from tests.hub.raw import ask, commit, create, upload_address

FILE = "/datasets/crossmem/personas/resolve/main/a.txt"
LOST = (ConnectionError, http.client.HTTPException)


@pytest.fixture
def written(hub):
    create(hub)
    commit(hub, {"a.txt": b"0123456789"})
    return hub


def test_some_calls_fail_and_the_next_is_served(written):
    fault = written.fail("resolve", status=503, times=2, skip=1, headers=(("Retry-After", "7"),))
    said = [ask(written, "GET", FILE) for _ in range(5)]
    assert [each.status for each in said] == [200, 503, 503, 200, 200]
    assert said[1].headers["Retry-After"] == "7"
    assert (fault.seen, fault.struck) == (5, 2)


def test_a_fault_strikes_only_what_it_is_about(written):
    written.fail("resolve", status=500, times=None, about="b.txt")
    assert [ask(written, "GET", path).status for path in (FILE, FILE.replace("a.txt", "b.txt"))] == [200, 500]
    written.fail("resolve", status=502, times=None, method="HEAD")
    assert [ask(written, method, FILE).status for method in ("GET", "HEAD")] == [200, 502]


def test_a_dropped_request_is_not_obeyed_and_a_late_one_is(written):
    for late, content in ((False, b"0123456789"), (True, b"new")):
        written.fail("commit", drop=True, late=late)
        with pytest.raises(LOST):
            commit(written, {"a.txt": b"new"})
        assert ask(written, "GET", FILE).body == content
    written.fail("commit", status=500, late=True)
    assert commit(written, {"a.txt": b"newer"}).status == 500
    assert ask(written, "GET", FILE).body == b"newer"
    assert written.count("commit", status=0) == 2


def test_an_upload_is_cut_in_the_middle(written):
    data = b"x" * 4_000_000
    fault = written.fail("lfs", cut=100_000)
    with pytest.raises(LOST):
        ask(written, "PUT", upload_address(written, data), data)
    assert fault.struck == 1
    assert upload_address(written, data) is not None
    assert [each.received for each in written.requests if each.endpoint == "lfs"] == [100_000]


def test_a_download_is_cut_in_the_middle(written):
    written.fail("resolve", cut=4)
    with pytest.raises(LOST):
        ask(written, "GET", FILE)
    assert ask(written, "GET", FILE).body == b"0123456789"


def test_a_bit_flips_on_the_way(written):
    data = b"PAR1" * 10
    written.fail("lfs", corrupt=True)
    statuses = [ask(written, "PUT", upload_address(written, data), data).status for _ in range(2)]
    assert statuses == [400, 200]
    written.fail("resolve", corrupt=True)
    said = [ask(written, "GET", FILE).body for _ in range(2)]
    assert said[0] != said[1]
    assert len(said[0]) == len(said[1])


def test_an_answer_can_be_slow(written):
    written.fail("resolve", delay=0.3)
    start = time.monotonic()
    assert ask(written, "GET", FILE).status == 200
    assert time.monotonic() - start >= 0.3


def test_an_unknown_endpoint_cannot_fail(hub):
    with pytest.raises(AssertionError, match="is none of"):
        hub.fail("upload")
