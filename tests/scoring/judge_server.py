# SPDX-License-Identifier: Apache-2.0
"""A chat server on loopback that behaves as badly as a test wants, and the judge sent to it."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crossmem_hf.scoring.judge import judge_answers

TOKEN = "sk-very-secret-0123456789"


@dataclass
class Query:
    """One request as the server saw it; `number` counts from 0 over all, `times` over those about the same item."""

    number: int
    times: int
    path: str
    headers: dict
    payload: dict
    at: float

    @property
    def system(self):
        return self.payload["messages"][0]["content"]

    @property
    def user(self):
        return self.payload["messages"][1]["content"]

    @property
    def item(self):
        """Question, truth and answer, read from the first JSON object of the user's message."""
        return json.JSONDecoder().raw_decode(self.user)[0]


@dataclass
class Reply:
    """What is sent back: after `delay` seconds, or cut before the first byte (`drop`) or after `cut` bytes."""

    body: str = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    cut: int | None = None


def completion(content, *, usage=(100, 20), finish="stop", **more):
    """A well-formed chat completion around any content."""
    body = {"choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}]}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(json.dumps(body), **more)


def verdict(score, kind=None, **more):
    """A completion that is a verdict; the kind that fits the score unless one is given."""
    kind = kind or ("safe" if score < 0.1 else "verbatim" if score > 0.9 else "semantic_leak")
    return completion(json.dumps({"reason": "so", "verdict": kind, "score": score}), **more)


class JudgeServer:
    """Serves while it is open: ``with JudgeServer(lambda asked: verdict(0.5)) as server: ... server.url``."""

    def __init__(self, behave: Callable[[Query], Reply]):
        self.behave = behave
        self.requested: list[Query] = []
        self.in_flight = self.max_in_flight = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def __enter__(self):
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._http.block_on_close = False
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def _note(self, path, headers, body):
        payload = json.loads(body)
        with self._lock:
            key = json.dumps(Query(0, 0, "", {}, payload, 0.0).item)
            times = sum(json.dumps(before.item) == key for before in self.requested)
            request = Query(len(self.requested), times, path, dict(headers), payload, time.monotonic())
            self.requested.append(request)
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
        return request

    def _leave(self):
        with self._lock:
            self.in_flight -= 1

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = server._note(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    reply = server.behave(request)
                    server._closing.wait(reply.delay)
                finally:
                    server._leave()  # before the answer is out: whoever has it may ask again at once
                self.close_connection = True
                if not reply.drop:
                    self._send(reply)

            def _send(self, reply):
                body = reply.body.encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
                    self.send_header(name, value)
                try:
                    self.end_headers()
                    self.wfile.write(body[: reply.cut])
                except OSError:
                    pass  # the client has hung up

            def log_message(self, *_):
                pass

        return Handler


# the judge sent to it


@pytest.fixture(scope="module")
def direct():
    """No proxy between here and loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture
def quick(monkeypatch):
    """Short waits of the client before retries."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


def judged(server, number=1, **settings):
    """Judge items 0 to number - 1; each answer is its number."""
    given = {"model": "the-judge", "base_url": server.url, "token": TOKEN, "timeout": 20.0, **settings}
    numbers = range(number)
    return judge_answers(
        [f"question {n}" for n in numbers], [f"truth {n}" for n in numbers], [str(n) for n in numbers], **given
    )


def about(request):
    """The number of the item that a request is about."""
    return int(request.item["answer"])


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
