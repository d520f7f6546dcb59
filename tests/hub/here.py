# SPDX-License-Identifier: Apache-2.0
"""This process as a client of the stand-in: quicker than one of its own, for what no import decides."""

from collections.abc import Callable

import pytest

from tests.hub.server import Hub


def client_of(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Lets huggingface_hub in this process talk to `hub`; what is returned chooses the token."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)

    def log_in(token: str | None) -> None:
        if token is None:
            monkeypatch.delenv("HF_TOKEN", raising=False)
        else:
            monkeypatch.setenv("HF_TOKEN", token)

    return log_in


def contents(hub: Hub, kind: str, repo_id: str) -> dict[str, bytes]:
    """Path -> bytes of what stands on ``main``, but for the Hub's own file."""
    files = hub.store.find(kind, repo_id).at("main").files
    return {path: hub.store.blobs.whole(file.sha256) for path, file in files.items() if path != ".gitattributes"}


def write(hub: Hub, kind: str, repo_id: str, files: dict[str, bytes]) -> None:
    """A commit by somebody else, who makes the repository if need be."""
    if (kind, repo_id) not in hub.store.repositories:
        hub.store.create(kind, repo_id, sdk="gradio")
    changed = {path: hub.store.file(data) for path, data in files.items()}
    hub.store.commit(hub.store.find(kind, repo_id), "main", changed=changed, title="by hand", author="somebody")
