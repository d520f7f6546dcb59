# SPDX-License-Identifier: Apache-2.0
"""A small Hub on loopback, for the real clients. It serves HTTP; what is answered is in api.py and transfers.py.

    with Hub() as hub:
        done = subprocess.run([...], env={**os.environ, **hub.environment(home=tmp_path)})
        hub.store.find("dataset", "crossmem/personas").tags

Not served: Xet, gated repositories, multipart LFS, git itself, and whatever else `calls.parse` does not name.
"""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.hub import api, transfers
from tests.hub.accounts import WRITE_TOKEN, account_of, usual_accounts
from tests.hub.calls import Answer, Call, parse
from tests.hub.faults import Fault, Faults
from tests.hub.store import RefusedError, Store

_ANSWERS = {
    "list": api.listing,
    "auth-check": api.auth_check,
    "revision": api.info,
    "paths-info": api.paths_info,
    **{each.__name__: each for each in (api.whoami, api.validate, api.create, api.delete, api.settings, api.info)},
    **{each.__name__: each for each in (api.tree, api.refs, api.commits, api.tag, api.untag, api.branch)},
    **{each.__name__: each for each in (api.unbranch, api.discussions, api.pull, api.merge)},
    **{each.__name__: each for each in (transfers.preupload, transfers.batch, transfers.lfs, transfers.verify)},
    **{each.__name__: each for each in (transfers.commit, transfers.resolve)},
}
_LARGEST_BODY = 1 << 30


@dataclass(frozen=True)
class Request:
    """One line of the log; it names the account and never the token."""

    endpoint: str
    method: str
    path: str
    status: int  # 0 where the connection was closed instead
    account: str
    sent: int
    received: int
    requested_range: str


class Hub:
    """Serves while it is open.

    Args:
        folder: Where contents are kept; None keeps them in memory.
        accounts: Token -> account; None for `accounts.usual_accounts`.
    """

    def __init__(self, folder: Path | None = None, accounts: dict | None = None):
        self.store = Store(folder)
        self.accounts = usual_accounts() if accounts is None else accounts
        self.faults = Faults()
        self.before: dict[str, Callable[[Call], object]] = {}  # endpoint -> what happens just before it is served
        self._log: list[Request] = []
        self._serving = 0
        self._served = threading.Condition()
        self.closing = threading.Event()

    def __enter__(self):
        handler = type("BoundHandler", (_Handler,), {"hub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def fail(self, endpoint: str, **how: Any) -> Fault:
        """Let calls of an endpoint go wrong; see `faults.Fault`."""
        return self.faults.add(Fault(endpoint, **how))

    @property
    def requests(self) -> list[Request]:
        """The log so far; a request whose answer is on its way is waited for."""
        with self._served:
            self._served.wait_for(lambda: self._serving == 0, timeout=30)
            return list(self._log)

    def log(self) -> list[Request]:
        """The requests that were answered, without waiting for those that are not."""
        with self._served:
            return list(self._log)

    def reset(self) -> None:
        """Forget repositories, faults and the log; contents stay."""
        self.store.repositories.clear()
        self.faults.clear()
        self.before.clear()
        with self._served:
            self._log.clear()

    def begin(self) -> None:
        with self._served:
            self._serving += 1

    def end(self, request: Request) -> None:
        with self._served:
            self._serving -= 1
            self._log.append(request)
            self._served.notify_all()

    def count(self, endpoint: str, *, method: str = "", about: str = "", status: int | None = None) -> int:
        """How many requests there were."""
        return sum(
            each.endpoint == endpoint
            and method in ("", each.method)
            and about in each.path
            and status in (None, each.status)
            for each in self.requests
        )

    def environment(self, home: Path, token: str | None = WRITE_TOKEN) -> dict[str, str]:
        """Variables for a client in a process of its own; the libraries read them when they are imported."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_EVALUATE_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        } | ({"HF_TOKEN": token} if token else {})


class _DroppedError(Exception):
    """The connection is to be closed without another word."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        call = parse(self.command, self.path)
        fault = self.hub.faults.strike(call.endpoint, self.command, self.path)
        self._sent = self._received = 0
        self.hub.begin()
        status, account = 0, ""
        try:
            call.base, call.headers = self.hub.url, {name.lower(): value for name, value in self.headers.items()}
            call.body = self._body(fault)
            answer, account = self._answer(call, fault)
            if fault is not None:
                self.hub.closing.wait(fault.delay)
            status = self._send(answer, fault)
        except (_DroppedError, ConnectionError):
            self._reset()
        finally:
            requested = self.headers.get("Range", "")
            self.hub.end(
                Request(call.endpoint, self.command, self.path, status, account, self._sent, self._received, requested)
            )

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _answer(self, call: Call, fault: Fault | None) -> tuple[Answer, str]:
        if fault is not None and not fault.late:
            if fault.drop:
                raise _DroppedError
            if fault.status is not None:
                return _refusal(RefusedError(fault.status, fault.message), dict(fault.headers)), ""
        name = ""
        try:
            account = call.account = account_of(call.headers.get("authorization"), self.hub.accounts)
            name = account.user if account else ""
            if call.endpoint == "paths-info":
                call.body = _as_json(call)
            with self.hub.store.lock:
                self.hub.before.get(call.endpoint, bool)(call)
                answer = _ANSWERS.get(call.endpoint, _unknown)(self.hub.store, call)
        except RefusedError as refused:
            answer = _refusal(refused, {})
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            answer = _refusal(RefusedError(400, f"Malformed request: {type(error).__name__}"), {})
        if fault is not None and fault.late:
            if fault.drop:
                raise _DroppedError
            if fault.status is not None:
                return _refusal(RefusedError(fault.status, fault.message), dict(fault.headers)), name
        return answer, name

    def _body(self, fault: Fault | None) -> bytes:
        most = fault.cut if fault is not None and self.command in ("PUT", "POST") else None
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(self._chunks())
        else:
            length = int(self.headers.get("Content-Length") or 0)
            if length > _LARGEST_BODY:
                raise _DroppedError
            body = self.rfile.read(length if most is None else min(most, length))
        self._received = len(body)
        if most is not None:
            raise _DroppedError
        if fault is not None and fault.corrupt and body:
            return _flipped(body)
        return body

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, answer: Answer, fault: Fault | None) -> int:
        headers = dict(answer.headers)
        status, start, stop = answer.status, 0, answer.size
        if answer.sha256 is None:
            body = answer.body if answer.body is not None else json.dumps(answer.value).encode()
            if answer.body is None:
                headers["Content-Type"] = "application/json; charset=utf-8"
            pieces, stop = [body], len(body)
        else:
            headers["Content-Type"] = "application/octet-stream"
            if requested := self.headers.get("Range"):
                start, stop = _range(requested, answer.size)
                status = 206 if start < stop else 416
                headers["Content-Range"] = (
                    f"bytes {start}-{stop - 1}/{answer.size}" if status == 206 else f"bytes */{stop}"
                )
            pieces = self.hub.store.blobs.pieces(answer.sha256, start, stop)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(max(0, stop - start))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._pieces(pieces, fault)
        return status

    def _pieces(self, pieces: Iterable[bytes], fault: Fault | None) -> None:
        left = fault.cut if fault is not None and self.command == "GET" else None
        for number, piece in enumerate(pieces):
            if fault is not None and fault.corrupt and self.command == "GET" and number == 0:
                piece = _flipped(piece)
            if left is not None:
                self.wfile.write(piece[:left])
                self._sent += min(left, len(piece))
                left -= min(left, len(piece))
                if left == 0:
                    self.wfile.flush()
                    raise _DroppedError
                continue
            self.wfile.write(piece)
            self._sent += len(piece)

    def _reset(self) -> None:
        """Close the connection as a cut cable does: the other side sees a reset, not an end."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return
        self.rfile.close()
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """The log is `Hub.requests`."""


def _refusal(refused: RefusedError, headers: dict[str, str]) -> Answer:
    said = headers | {"X-Error-Message": re.sub(r"[^ -~]", "?", refused.message)}
    if refused.code:
        said["X-Error-Code"] = refused.code
    return Answer({"error": refused.message}, status=refused.status, headers=said)


def _unknown(store: Store, call: Call) -> Answer:
    raise RefusedError(404, "The stand-in for the Hub does not serve this")


def _as_json(call: Call) -> bytes:
    """The body of paths-info, which huggingface_hub sends as a form."""
    if "json" in call.headers.get("content-type", ""):
        return call.body
    return json.dumps({"paths": parse_qs(urlsplit(f"?{call.body.decode()}").query).get("paths", [])}).encode()


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


def _range(requested: str, size: int) -> tuple[int, int]:
    """The first byte and the one after the last; an empty range if it cannot be served."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", requested.strip())
    if not found or not any(found.groups()):
        return size, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    return min(int(first), size), min(int(last) + 1 if last else size, size)
