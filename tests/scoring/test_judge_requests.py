# SPDX-License-Identifier: Apache-2.0
"""Whom the judge's client asks and how, and what it refuses before any request."""

import sys

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.judge_pace import Pace
from crossmem_hf.scoring.judge_requests import JudgeClient
from crossmem_hf.scoring.verdicts import REPLY_SCHEMA
from tests.scoring.judge_server import (  # noqa: F401
    JudgeServer,
    Reply,
    direct,
    judged,
    verdict,
)


def opened(base_url="http://localhost/v1", **how):
    return JudgeClient("org/model", {}, base_url=base_url, pace=Pace(None), **how)


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "http://user:hunter22@host/v1", ""],
)
def test_addresses_that_are_none(address):
    with pytest.raises(CrossmemError, match="base_url is no address") as caught:
        opened(address)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "sk-secret-123\n", "sk secret", "sk-sécret"])
def test_tokens_that_are_none(token):
    """A line break in a header would be repeated by the HTTP library's error."""
    with pytest.raises(CrossmemError, match="The token is empty or holds white space") as caught:
        opened(token=token)
    assert not token or token.strip() not in str(caught.value)


def test_the_place_holds_no_secret():
    assert opened("https://host:81/v1?key=hunter22").place == "The judge 'org/model' at 'https://host:81/v1'"


def test_headers_and_tokens_are_hidden():
    judge = opened(token="sk-secret-123", headers={"authorization": "Bearer other-secret-456"})
    assert judge.hidden("a sk-secret-123 b other-secret-456 c") == "a *** b *** c"


def test_hugging_face_needs_a_token_and_the_network(monkeypatch):
    with pytest.raises(CrossmemError, match="HF_HUB_OFFLINE is set"):
        opened(None, token="hf_secret_123")
    monkeypatch.setattr("crossmem_hf.scoring.judge_requests.is_offline_mode", lambda: False)
    monkeypatch.setattr("crossmem_hf.scoring.judge_requests.get_token", lambda: None)
    with pytest.raises(CrossmemError, match=r"There is no token for a judge at Hugging Face"):
        opened(None)
    judge = opened(None, token="hf_secret_123", provider="together")
    assert judge.place == "The judge 'org/model:together' at Hugging Face"


def test_without_the_client_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(CrossmemError, match=r"pip install -e '\.\[judge\]'"):
        opened()


@pytest.mark.parametrize("status", [400, 422])
def test_a_schema_that_the_server_refuses_is_not_sent_again(status, direct):  # noqa: F811
    def behave(request):
        return (
            Reply("no response_format here", status=status) if "response_format" in request.payload else verdict(0.5)
        )

    with JudgeServer(behave) as server:
        assert judged(server, 3, concurrency=1).scores.tolist() == [0.5] * 3
    assert [request.payload.get("response_format") for request in server.requested] == [
        REPLY_SCHEMA,
        None,
        None,
        None,
    ]
