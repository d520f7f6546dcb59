# SPDX-License-Identifier: Apache-2.0
"""What is asked again and how a refusal reads; how a whole push meets every fault is in tests/hub."""

from socket import gaierror

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.retry import status_of, with_retries

ADDRESS = "https://uploads.example/object?X-Signature=secret&expires=1"


@pytest.fixture
def waits(monkeypatch):
    slept = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return slept


def answered(status, message="", address=ADDRESS):
    response = httpx2.Response(status, request=httpx2.Request("PUT", address))
    said = f"{status} for url {address} For more information check: https://mdn.example/{status}"
    return HfHubHTTPError(said, response=response, server_message=message)


def unresolved():
    """What a client of the Hub raises without a network."""
    error = httpx2.ConnectError("[Errno -2] Name or service not known")
    error.__context__ = gaierror(-2, "Name or service not known")
    return error


def failing(*errors, then="done"):
    """A call that fails in these ways, one after another, and then returns."""
    left = list(errors)

    def call():
        if left:
            raise left.pop(0)
        return then

    return call


@pytest.mark.parametrize(
    "error",
    [
        answered(500),
        answered(429),
        answered(409),
        httpx2.ReadError("reset"),
        httpx2.ReadTimeout("slow"),
        ConnectionResetError("reset"),
    ],
    ids=lambda error: str(error)[:10],
)
def test_what_may_pass_is_asked_again(waits, error):
    assert with_retries("push", failing(error, error)) == "done"
    assert waits == [1.0, 3.0]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (answered(400), "Change what the Hub names"),
        (answered(401), "hf auth login"),
        (answered(402), "Pay for it"),
        (answered(403), "ask its owners for the right"),
        (answered(404), "Check the name"),
        (answered(412), "nothing of ours was published"),
        (answered(413), "smaller files"),
        (OfflineModeIsEnabled("offline"), "unset HF_HUB_OFFLINE"),
        (LocalTokenNotFoundError("none"), "hf auth login"),
        (unresolved(), "Check the network"),
        (HFValidationError("Repo id must be in the form 'repo_name'"), "NAMESPACE/NAME"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_stays_is_said_at_once(waits, error, remedy):
    with pytest.raises(CrossmemError, match="Could not push") as refused:
        with_retries("push", failing(error))
    assert remedy in str(refused.value)
    assert refused.value.__cause__ is error
    assert waits == []


def test_remedy_without_the_hub_is_said_only_without_an_answer(waits):
    for error, said in ((unresolved(), "Make it here."), (answered(404), "Check the name")):
        with pytest.raises(CrossmemError) as refused:
            with_retries("load", failing(error), unreachable="Make it here.")
        assert said in str(refused.value)


def test_what_lasts_is_said_in_the_end(waits):
    with pytest.raises(CrossmemError, match=r"Could not push: .*On fire \(HTTP 503\)\. Check the network"):
        with_retries("push", failing(*[answered(503, "On fire")] * 9))
    assert waits == [1.0, 3.0, 9.0]


def test_no_signature_of_an_address_is_told(waits, caplog):
    with pytest.raises(CrossmemError) as refused:
        with_retries("push", failing(*[answered(500)] * 9))
    reported = str(refused.value) + caplog.text
    assert "https://uploads.example/object" in reported
    assert "secret" not in reported
    assert "mdn.example" not in reported


def test_the_status_is_found_under_what_names_the_file(waits):
    outer = RuntimeError("Error while uploading 'a.parquet' to the Hub.")
    outer.__cause__ = answered(403, "Request has expired")
    assert status_of(outer) == 403
    assert with_retries("push", failing(outer)) == "done"  # the next attempt gets another address


@pytest.mark.parametrize("error", [ValueError("ours"), RuntimeError("ours"), OSError("ours"), TypeError("ours")])
def test_a_mistake_of_ours_is_not_taken_for_the_hubs(waits, error):
    with pytest.raises(type(error), match="ours"):
        with_retries("push", failing(error))
    assert waits == []


def test_an_error_ready_to_be_read_is_left_as_it_is(waits):
    inner = CrossmemError("Tag exists.", "Choose another.")
    inner.__cause__ = answered(500)
    with pytest.raises(CrossmemError) as refused:
        with_retries("push", failing(inner))
    assert refused.value is inner


def test_offline_nothing_is_asked_again(waits, monkeypatch):
    """datasets wraps the refusal into a ConnectionError that names no cause."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = ConnectionError("Couldn't reach 'someone/mistyped' on the Hub (OfflineModeIsEnabled)")
    with pytest.raises(CrossmemError, match="Could not push: Couldn't reach"):
        with_retries("push", failing(error))
    assert waits == []
