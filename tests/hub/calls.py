# SPDX-License-Identifier: Apache-2.0
"""What a request asks for: an endpoint's name, a repository, a revision, a path. It does not know what is answered."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.hub.accounts import Account

KIND_OF = {"models": "model", "datasets": "dataset", "spaces": "space"}


@dataclass
class Call:
    """One request, taken apart; `endpoint` is one of `faults.ENDPOINTS`."""

    endpoint: str
    kind: str = ""
    repo_id: str = ""
    revision: str = "main"
    path: str = ""
    number: int = 0
    oid: str = ""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    account: Account | None = None
    base: str = ""

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass
class Answer:
    """What is sent back: JSON (`value`), bytes (`body`) or a stored file (`sha256` and `size`), whole or a range."""

    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    sha256: str | None = None
    size: int = 0


def parse(method: str, target: str) -> Call:
    """The call that a method and a request target stand for; endpoint "unknown" if the Hub has none of that kind."""
    split = urlsplit(target)
    parts = [unquote(part) for part in split.path.split("/")[1:]]
    call = _api(method, parts[1:]) if parts[0] == "api" else _files(parts)
    call.query = dict(parse_qsl(split.query, keep_blank_values=True))
    return call


def _api(method: str, parts: list[str]) -> Call:
    match parts:
        case ["whoami-v2"]:
            return Call("whoami")
        case ["validate-yaml"]:
            return Call("validate")
        case ["repos", "create" | "delete" as verb]:
            return Call(verb)
        case ["models" | "datasets" | "spaces" as kinds]:
            return Call("list", KIND_OF[kinds])
        case ["models" | "datasets" | "spaces" as kinds, space, name, *rest]:
            call = _repository(method, rest)
            call.kind, call.repo_id = KIND_OF[kinds], f"{space}/{name}"
            return call
    return Call("unknown")


def _repository(method: str, rest: list[str]) -> Call:
    match rest:
        case []:
            return Call("info")
        case ["auth-check", *rights]:
            return Call("auth-check", path="/".join(rights))
        case ["settings" | "refs" as verb]:
            return Call(verb)
        case ["revision" | "commits" | "preupload" | "commit" | "paths-info" as verb, revision]:
            return Call(verb, revision=revision)
        case ["tree", revision, *path]:
            return Call("tree", revision=revision, path="/".join(path))
        case ["tag" | "branch" as verb, *name]:
            return Call(f"un{verb}" if method == "DELETE" else verb, revision="/".join(name))
        case ["discussions"]:
            return Call("discussions")
        case ["discussions", number]:
            return Call("pull", number=int(number) if number.isdecimal() else 0)
        case ["discussions", number, "merge"]:
            return Call("merge", number=int(number) if number.isdecimal() else 0)
    return Call("unknown")


def _files(parts: list[str]) -> Call:
    kind = KIND_OF.get(parts[0], "model")
    match parts[1:] if parts[0] in ("datasets", "spaces") else parts:
        case [space, name, "resolve", revision, *path]:
            return Call("resolve", kind, f"{space}/{name}", revision, "/".join(path))
        case [space, name, "info", "lfs", "objects", "batch"] if name.endswith(".git"):
            return Call("batch", kind, f"{space}/{name.removesuffix('.git')}")
        case ["_lfs", kinds, space, name, oid]:
            return Call("lfs", KIND_OF.get(kinds, ""), f"{space}/{name}", oid=oid)
        case ["_verify", kinds, space, name]:
            return Call("verify", KIND_OF.get(kinds, ""), f"{space}/{name}")
    return Call("unknown")
