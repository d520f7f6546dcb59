# SPDX-License-Identifier: Apache-2.0
"""A server that misbehaves, and a run that is killed: nothing is lost, nothing is paid twice, nothing is hammered."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring import judge, judge_requests
from tests.scoring.judge_server import (  # noqa: F401
    JudgeServer,
    Reply,
    about,
    direct,
    judged,
    lines,
    quick,
    verdict,
)

pytestmark = pytest.mark.usefixtures("direct", "quick")

# trouble that passes


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=429, headers={"Retry-After": "a while"}),
        Reply(status=408),
        Reply("boom", status=500),
        Reply('["an error that is a list"]', status=500),
        Reply('"an error that is a text"', status=502),
        Reply("<html>Bad gateway</html>", status=502, headers={"Content-Type": "text/html"}),
        Reply(status=503),
        Reply(status=529),
        Reply(status=409),
        Reply(drop=True),
        Reply(verdict(0.5).body, cut=30),
        Reply(verdict(0.5).body, delay=30.0),
        Reply("not gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=lambda reply: f"{reply.status}-{reply.body[:12]}-{reply.drop}-{reply.cut}-{reply.delay}",
)
def test_trouble_that_passes_costs_one_request(trouble):
    with JudgeServer(
        lambda request: trouble if about(request) == 1 and request.times == 0 else verdict(0.5)
    ) as server:
        found = judged(server, 3, timeout=3.0 if trouble.delay else 20.0)
    assert found.scores.tolist() == [0.5] * 3
    assert found.num_requests == len(server.requested) == 4
    assert found.failures == {}


def test_trouble_that_does_not_pass_is_a_failure_of_its_item_alone():
    with JudgeServer(lambda request: Reply(status=503) if about(request) == 1 else verdict(0.5)) as server:
        found = judged(server, 3, retries=2, max_failed_share=0.34)
    assert found.failures == {1: "no reply to 3 requests; the last one: HTTP 503"}
    assert (found.items[1].score, found.items[1].verdict, found.items[1].raw) == (None, None, None)
    np.testing.assert_array_equal(found.scores, [0.5, np.nan, 0.5])
    assert found.num_requests == 2 + 3


@pytest.mark.parametrize(
    ("trouble", "timeout", "reason"),
    [
        (Reply(drop=True), 5.0, r"the connection failed \(RemoteProtocolError\)"),
        (Reply(delay=30.0), 0.2, "silence for 0.2 s"),
    ],
)
def test_reasons_say_what_happened(trouble, timeout, reason):
    with JudgeServer(lambda request: trouble) as server, pytest.raises(CrossmemError, match=reason):
        judged(server, retries=0, timeout=timeout)


def test_the_client_waits_longer_each_time(monkeypatch):
    waits = []
    monkeypatch.setattr("openai._base_client.time.sleep", waits.append)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.5)
    with JudgeServer(lambda request: Reply(status=500)) as server:
        judged(server, retries=5, max_failed_share=1.0)
    assert len(waits) == 5
    assert all(longest * 0.75 <= wait <= longest for wait, longest in zip(waits, [0.5, 1, 2, 4, 8], strict=True))


def test_retry_after_is_obeyed_by_everybody():
    """The second item is not touched by the refusal, and waits all the same."""
    with JudgeServer(lambda request: Reply(status=429, headers={"Retry-After": "0.4"}) if request.number == 0
                     else verdict(0.5)) as server:  # fmt: skip
        judged(server, 3, concurrency=1)
    first, *rest = [request.at for request in server.requested]
    assert len(rest) == 3
    assert min(rest) - first >= 0.4


def test_too_long_a_pause_ends_the_run():
    with JudgeServer(lambda request: Reply(status=429, headers={"Retry-After": "3600"})) as server:
        with pytest.raises(CrossmemError, match="asks for a pause of 3600 s"):
            judged(server, 5, concurrency=1)
        assert len(server.requested) == 1


def test_a_server_that_is_gone_ends_the_run():
    with JudgeServer(lambda request: verdict(0.5)) as server:
        pass
    # eight, or more where others in flight fail in the same moment
    with pytest.raises(CrossmemError, match=r"left ([89]|1[0-6]) items in a row without any reply.*ConnectError"):
        judged(server, 100, retries=1, max_failed_share=1.0)


def test_silence_now_and_then_does_not():
    """Ten of twenty items fail, none after another."""
    with JudgeServer(lambda request: Reply(drop=True) if about(request) % 2 else verdict(0.5)) as server:
        assert judged(server, 20, retries=0, concurrency=1, max_failed_share=0.5).num_failed == 10


# refusals


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(400, "Check model, max_tokens"), (401, "hf auth login"), (402, "credit"), (403, "may use this model"),
     (404, "base_url"), (422, "Check model, max_tokens")],
)  # fmt: skip
@pytest.mark.parametrize("body", ['{"error": {"message": "no good"}}', '["no good"]', "no good"])
def test_a_refusal_ends_the_run_at_once(status, remedy, body):
    with JudgeServer(lambda request: Reply(body, status=status)) as server:
        with pytest.raises(CrossmemError, match=f"Item 0: .*HTTP {status}: .*no good") as caught:
            judged(server, 50, concurrency=1)
        assert len(server.requested) == 1 + (status in (400, 422)), "those two may be about the schema"
    assert remedy in caught.value.remedy


def test_a_refusal_stops_the_other_threads(tmp_path, monkeypatch):
    """Those who wait for a retry give up, nothing more is sent, and what has arrived is kept."""
    refused = threading.Event()
    monkeypatch.setattr("openai._base_client.time.sleep", lambda seconds: refused.wait(60))
    made = judge_requests.JudgeClient.__init__

    def slow_to_stop(self, *args, **settings):
        """The refused thread tells the others to stop, and they are done long before it is."""
        made(self, *args, **settings)
        stop = self.stop.set
        self.stop.set = lambda: (stop(), refused.set(), time.sleep(0.2))

    monkeypatch.setattr(judge_requests.JudgeClient, "__init__", slow_to_stop)
    all_busy = threading.Event()

    def behave(request):
        if about(request) == 0:
            assert all_busy.wait(60)
            return Reply(status=401)
        if about(request) == 4:
            all_busy.set()
        return verdict(0.5) if about(request) == 1 else Reply(status=503)

    with JudgeServer(behave) as server:
        with pytest.raises(CrossmemError, match=r"Item 0: .*HTTP 401"):
            judged(server, 50, concurrency=4, cache=tmp_path / "cache.jsonl")
        assert {about(request) for request in server.requested} == {0, 1, 2, 3, 4}
    assert len(server.requested) == 5
    assert len(lines(tmp_path / "cache.jsonl")) == 1


# how fast


def test_as_many_at_a_time_as_allowed_and_no_more():
    """The server answers only when four requests are there together."""
    together = threading.Barrier(4, timeout=60)

    def behave(_):
        together.wait()
        return verdict(0.5)

    with JudgeServer(behave) as server:
        found = judged(server, 16, concurrency=4)
    assert found.num_failed == 0
    assert server.max_in_flight == 4


def test_requests_keep_their_distance_retries_included():
    started = time.monotonic()
    with JudgeServer(lambda request: Reply(status=503) if request.number == 2 else verdict(0.5)) as server:
        judged(server, 5, requests_per_minute=1200)
    assert len(server.requested) == 6
    for number, at in enumerate(sorted(request.at for request in server.requested)):
        assert at >= started + number * 0.05


# the cache


def test_what_is_known_is_not_asked_again(tmp_path):
    cache = tmp_path / "cache.jsonl"
    with JudgeServer(lambda request: verdict(about(request) / 10)) as server:
        first = judged(server, 5, cache=cache)
        again = judged(server, 5, cache=cache)
        assert len(server.requested) == 5
        more = judged(server, 7, cache=cache)
    assert again.items == first.items
    assert (again.num_requests, again.num_cached, again.prompt_tokens) == (0, 5, 0)
    assert (more.num_requests, more.num_cached) == (2, 5)
    assert more.scores.tolist() == [n / 10 for n in range(7)]
    assert len(lines(cache)) == 7


@pytest.mark.parametrize("change", [{"model": "another"}, {"seed": 1}, {"temperature": 0.5}, {"max_tokens": 64}])
def test_another_judge_is_asked_anew(change, tmp_path):
    with JudgeServer(lambda request: verdict(0.5)) as server:
        judged(server, cache=tmp_path / "cache.jsonl")
        assert judged(server, cache=tmp_path / "cache.jsonl", **change).num_requests == 1


def test_another_server_or_prompt_is_asked_anew(tmp_path, monkeypatch):
    cache = tmp_path / "cache.jsonl"
    with JudgeServer(lambda request: verdict(0.5)) as server, JudgeServer(lambda request: verdict(0.75)) as other:
        judged(server, cache=cache)
        assert judged(other, cache=cache).scores.tolist() == [0.75]
        monkeypatch.setattr(judge, "PROMPT", judge.PROMPT.replace("strict", "mild"))
        assert judged(server, cache=cache).num_requests == 1


def test_patience_and_price_are_no_reason_to_ask_anew(tmp_path):
    cache = tmp_path / "cache.jsonl"
    with JudgeServer(lambda request: verdict(0.5)) as server:
        judged(server, cache=cache)
        patience = {"retries": 0, "timeout": 9.0, "concurrency": 1, "requests_per_minute": 60.0}
        found = judged(server, cache=cache, base_url=f"{server.url}/", price_per_million_tokens=(1.0, 1.0), **patience)
    assert (found.num_requests, found.cost) == (0, 0.0)


KILLED = """
import sys
from crossmem_hf.scoring.judge import judge_answers
url, cache = sys.argv[1:]
texts = [str(n) for n in range(20)]
judge_answers([f"question {n}" for n in texts], [f"truth {n}" for n in texts], texts, model="the-judge", base_url=url,
              cache=cache, concurrency=1)
"""


def test_killed_in_the_middle_it_asks_only_the_rest(tmp_path, root):
    cache, reached, release = tmp_path / "cache.jsonl", threading.Event(), threading.Event()

    def behave(request):
        if request.number == 7:
            reached.set()
            release.wait(30)
        return verdict(about(request) / 100)

    with JudgeServer(behave) as server:
        process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(cache)], cwd=root)
        assert reached.wait(600)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        release.set()
        with cache.open("ab") as stream:
            stream.write(b'{"key": "0123456789abcdef", "sco')
        assert len(cache.read_bytes().splitlines()) == 8
        found = judged(server, 20, cache=cache, token=None)
    assert (found.num_cached, found.num_requests) == (7, 13)
    assert found.scores.tolist() == [n / 100 for n in range(20)]
