# SPDX-License-Identifier: Apache-2.0
"""Requests by hand, for what no well-behaved client would send."""

import base64
import hashlib
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.hub.accounts import WRITE_TOKEN
from tests.hub.server import Hub


@dataclass
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    hub: Hub,
    method: str,
    target: str,
    body: Any = None,
    *,
    token: str | None = WRITE_TOKEN,
    headers: dict[str, str] | None = None,
) -> Said:
    """The answer to one request, sent as it is: nothing in `target` is cleaned up or quoted."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(hub.url).port, timeout=60)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    content = {} if isinstance(body, bytes) or body is None else {"Content-Type": "application/json"}
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, target, data, {**content, **authorization, **(headers or {})})
        answer = connection.getresponse()
        return Said(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


def create(hub: Hub, repo_id: str = "crossmem/personas", kind: str = "dataset", **how: Any) -> Said:
    organization, _, name = repo_id.partition("/")
    wanted = {
        "type": kind,
        "organization": organization,
        "name": name,
        "visibility": how.pop("visibility", "public"),
    }
    return ask(hub, "POST", "/api/repos/create", wanted, **how)


def commit(hub: Hub, files: dict[str, bytes], *, parent: str | None = None, query: str = "", **how: Any) -> Said:
    """A commit of small files to ``datasets/crossmem/personas``."""
    header = {"summary": "by hand", "description": ""} | ({"parentCommit": parent} if parent else {})
    lines = [{"key": "header", "value": header}]
    for path, content in files.items():
        value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
        lines.append({"key": "file", "value": value})
    return send(hub, lines, query=query, **how)


def send(hub: Hub, lines: list[dict], *, query: str = "", revision: str = "main", **how: Any) -> Said:
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    return ask(hub, "POST", f"/api/datasets/crossmem/personas/commit/{revision}{query}", body, **how)


def upload_address(hub: Hub, data: bytes) -> str | None:
    """Where the Hub wants an LFS object; None if it has it."""
    sha = hashlib.sha256(data).hexdigest()
    wanted = {"objects": [{"oid": sha, "size": len(data)}]}
    said = ask(hub, "POST", "/datasets/crossmem/personas.git/info/lfs/objects/batch", wanted)
    actions = said.json["objects"][0].get("actions")
    return actions["upload"]["href"].removeprefix(hub.url) if actions else None
