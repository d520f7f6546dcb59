# SPDX-License-Identifier: Apache-2.0
"""A Hub of its own for every test, and clients that are sent to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.clients import Clients
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
