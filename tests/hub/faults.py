# SPDX-License-Identifier: Apache-2.0
"""How the stand-in for the Hub misbehaves when a test wants it to. It knows no endpoint but by name."""

import threading
from dataclasses import dataclass

ENDPOINTS = (
    *("whoami", "auth-check", "validate", "create", "delete", "settings", "list"),
    *("info", "revision", "tree", "paths-info", "resolve", "refs", "commits"),
    *("tag", "untag", "branch", "unbranch", "discussions", "pull", "merge"),
    *("preupload", "batch", "lfs", "verify", "commit", "unknown"),
)


@dataclass
class Fault:
    """What goes wrong with some calls of one endpoint.

    Args:
        endpoint: One of `ENDPOINTS`.
        times: How many calls it spoils; None for all.
        skip: How many matching calls go well before.
        about: Only calls whose path contains this.
        method: Only calls with this HTTP method.
        status: Answer with this status instead of doing what was asked.
        message: What is said with it.
        headers: And sent with it, such as Retry-After.
        drop: Close the connection instead of answering; what was asked is not done.
        late: Do what was asked first, then answer with `status` or drop: the answer is lost, not the deed.
        cut: Close the connection after this many bytes of the body, received (uploads) or sent (downloads).
        corrupt: Flip a bit of the body on its way, to the Hub (uploads) or from it (downloads).
        delay: Seconds to wait before the answer.
    """

    endpoint: str
    times: int | None = 1
    skip: int = 0
    about: str = ""
    method: str = ""
    status: int | None = None
    message: str = "Injected by the test"
    headers: tuple[tuple[str, str], ...] = ()
    drop: bool = False
    late: bool = False
    cut: int | None = None
    corrupt: bool = False
    delay: float = 0.0
    seen: int = 0

    def __post_init__(self):
        assert self.endpoint in ENDPOINTS, f"{self.endpoint!r} is none of {ENDPOINTS}"

    @property
    def struck(self) -> int:
        """How many calls it has spoilt."""
        most = self.seen - self.skip if self.times is None else min(self.seen - self.skip, self.times)
        return max(0, most)


class Faults:
    """The faults in force; each call meets at most one."""

    def __init__(self):
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def strike(self, endpoint: str, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.endpoint != endpoint or fault.about not in path or fault.method not in ("", method):
                    continue
                before = fault.struck
                fault.seen += 1
                if fault.struck > before:
                    return fault
        return None
