# SPDX-License-Identifier: Apache-2.0
"""Pace, pauses and clients of the judge, without any server."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.judge import open_client
from crossmem_hf.scoring.judge_requests import Pace, PatientClient, retry_after


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def starts(pace, clock, number):
    """When each of `number` requests starts if everybody asks for a turn as soon as it makes sense."""
    found = []
    while len(found) < number:
        wait = pace.turn()
        if wait == 0:
            found.append(clock.now)
        clock.now += wait
    return found


def test_turns_are_evenly_spaced():
    clock = Clock()
    assert starts(Pace(120, clock), clock, 5) == pytest.approx([100.0, 100.5, 101.0, 101.5, 102.0])


def test_time_that_passes_unused_is_not_saved_up():
    clock = Clock()
    pace = Pace(60, clock)
    assert pace.turn() == 0
    clock.now += 30
    assert starts(pace, clock, 3) == pytest.approx([130.0, 131.0, 132.0])


def test_without_a_limit_nobody_waits_except_on_hold():
    clock = Clock()
    pace = Pace(None, clock)
    assert starts(pace, clock, 3) == [100.0] * 3
    pace.hold(7.0)
    pace.hold(2.0)
    assert pace.turn() == 7.0
    assert starts(pace, clock, 2) == [107.0] * 2


def test_a_hold_reaches_those_who_wait_already():
    clock = Clock()
    pace = Pace(60, clock)
    assert pace.turn() == 0
    assert pace.turn() == 1.0
    pace.hold(5.0)
    clock.now += 1.0
    assert pace.turn() == 4.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), (" 0.25 ", 0.25), ("", 0.0), ("-4", 0.0), ("nan", 0.0), ("inf", 0.0), ("later", 0.0),
     ("Fri, 99 Foo 2026 99:99:99 GMT", 0.0), ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after(header, seconds):
    assert retry_after(header) == seconds


def test_retry_after_a_date():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 60 < retry_after(soon) <= 90


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "http://user:hunter22@host/v1", ""],
)
def test_addresses_that_are_none(address):
    with pytest.raises(CrossmemError, match="base_url is no address") as caught:
        open_client(base_url=address, provider=None, token=None, timeout=1.0)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "sk-secret-123\n", "sk secret", "sk-sécret"])
def test_tokens_that_are_none(token):
    """A line break in a header would be repeated by the HTTP library's error."""
    with pytest.raises(CrossmemError, match="The token is empty or holds white space") as caught:
        open_client(base_url="http://localhost/v1", provider=None, token=token, timeout=1.0)
    assert not token or token.strip() not in str(caught.value)


def test_the_place_holds_no_secret():
    client = open_client(base_url="https://host:81/v1?key=hunter22", provider=None, token=None, timeout=1.0)
    client.model = "https://me:hunter33@host:81/v1?key=hunter22"
    judge = PatientClient(client, "m", {}, retries=0, pace=Pace(None))
    assert judge.place == "The judge 'm' at 'https://host:81/v1'"


def test_headers_and_tokens_are_hidden():
    client = open_client(base_url="https://host/v1", provider=None, token="sk-secret-123", timeout=1.0)
    client.headers["authorization"] = "Bearer other-secret-456"
    judge = PatientClient(client, "m", {}, retries=0, pace=Pace(None))
    assert judge.hidden("a sk-secret-123 b other-secret-456 c") == "a *** b *** c"


def hub(token, provider=None):
    client = open_client(base_url=None, provider=provider, token=token, timeout=1.0)
    return PatientClient(client, "org/model", {}, retries=3, pace=Pace(None))


@pytest.mark.parametrize(
    ("token", "provider", "fault"),
    [
        (None, None, "'org/model' at Hugging Face cannot be asked: You must provide an api_key"),
        ("hf_secret_123", "nobody", "Provider 'nobody' not supported"),
        ("hf_secret_123", None, "HF_HUB_OFFLINE is set"),
        ("sk-secret-123", None, "Cannot select auto-router when using non-Hugging Face API key"),
    ],
)
def test_what_hugging_face_cannot_be_asked_is_said_at_once(token, provider, fault, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    judge = hub(token, provider)
    with pytest.raises(CrossmemError, match=fault):
        judge.reply([{"role": "user", "content": "x"}])
    assert judge.num_requests == 1
