# SPDX-License-Identifier: Apache-2.0
"""A Hub of its own for every test, and clients that are sent to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.accounts import WRITE_TOKEN
from tests.hub.clients import Clients
from tests.hub.here import client_of
from tests.hub.server import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A small Hub on loopback; empty, and its contents in memory."""
    with Hub() as served:
        yield served


@pytest.fixture
def clients(hub: Hub, tmp_path: Path) -> Clients:
    """Programs that talk to `hub`, with an empty cache, from an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Clients(hub, tmp_path / "home", folder)


class Pusher:
    """A process that pushes when it is told to (pusher.py), and the Hub it pushes to."""

    def __init__(self, hub: Hub, process: subprocess.Popen):
        self.hub, self._process = hub, process

    def ask(
        self, call: str, repo_id: str = "crossmem/personas", *, token: str | None = WRITE_TOKEN, **how: Any
    ) -> dict:
        """What came of a call: "ready" asks for the right to push, "push" pushes `folder`."""
        requested = {"call": call, "repo_id": repo_id, "repo_type": "dataset", "token": token or "", **how}
        self._process.stdin.write(json.dumps(requested) + "\n")
        return self.hear()

    def hear(self) -> Any:
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def push(self, folder: Path, **how: Any) -> dict:
        return self.ask("push", folder=str(folder), **how)


@pytest.fixture(scope="module")
def pushing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    """A standing Hub and a standing process: importing huggingface_hub takes longer than a push."""
    place = tmp_path_factory.mktemp("pusher")
    with Hub() as served, (place / "stderr").open("w+") as reported:
        command = [sys.executable, "-m", "tests.hub.pusher"]
        environment = Clients(served, place / "home", place).environment()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": reported, "text": True}
        with subprocess.Popen(command, cwd=place, env=environment, **pipes) as process:
            pusher = Pusher(served, process)
            assert pusher.hear() == "ready"
            yield pusher
            process.stdin.close()
            process.wait(timeout=30)
        reported.seek(0)
        assert "OfTheTests" not in reported.read(), "a token was told"


@pytest.fixture
def pusher(pushing: Pusher) -> Pusher:
    """The same, on an empty Hub without faults."""
    pushing.hub.reset()
    return pushing


@pytest.fixture
def log_in(hub, monkeypatch):
    """A client of the Hub of the tests that is logged in; called with a token, it is somebody else."""
    chosen = client_of(hub, monkeypatch)
    chosen(WRITE_TOKEN)
    return chosen
