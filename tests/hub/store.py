# SPDX-License-Identifier: Apache-2.0
"""Repositories as a Hub keeps them: blobs, commits, branches, tags, pull requests. It knows nothing of HTTP."""

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("model", "dataset", "space")
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,94}/[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,94}")
_REF = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


class RefusedError(Exception):
    """A request the Hub turns down: an HTTP status, what it says, and the value of X-Error-Code."""

    def __init__(self, status: int, message: str, code: str = ""):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class Blobs:
    """Contents by their SHA-256, in memory or in a folder."""

    def __init__(self, folder: Path | None = None):
        self._folder, self._held = folder, {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        sha = hashlib.sha256(data).hexdigest()
        if self._folder is None:
            self._held[sha] = data
        else:
            (self._folder / sha).write_bytes(data)
        return sha

    def pieces(self, sha: str, start: int, stop: int, step: int = 1 << 20) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, a piece at a time."""
        for at in range(start, stop, step):
            upto = min(at + step, stop)
            if self._folder is None:
                yield self._held[sha][at:upto]
            else:
                with (self._folder / sha).open("rb") as stream:
                    stream.seek(at)
                    yield stream.read(upto - at)

    def whole(self, sha: str) -> bytes:
        return self._held[sha] if self._folder is None else (self._folder / sha).read_bytes()


@dataclass(frozen=True)
class File:
    """A file of a commit; `oid` is git's name of the contents, or of the LFS pointer that stands for them."""

    size: int
    sha256: str
    oid: str
    lfs: bool


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    description: str
    author: str
    number: int
    files: Mapping[str, File]

    @property
    def date(self) -> str:
        """A day a commit, so that the order shows and nothing depends on the clock."""
        return f"2026-01-{self.number % 28 + 1:02d}T00:00:00.000Z"


@dataclass
class Pull:
    number: int
    title: str
    author: str
    base: str
    head: str
    status: str = "open"


@dataclass
class Repository:
    kind: str
    id: str
    private: bool = False
    sdk: str | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    lfs: set[str] = field(default_factory=set)

    def at(self, revision: str) -> Commit:
        """The commit that a branch, tag, pull request or full sha names."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        pulls = {f"refs/pr/{pull.number}": pull.head for pull in self.pulls}
        sha = self.branches.get(name) or self.tags.get(name) or pulls.get(revision) or revision
        if sha not in self.commits:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[sha]

    def move(self, revision: str, sha: str) -> None:
        """Let a branch or pull request point at another commit."""
        for pull in self.pulls:
            if revision == f"refs/pr/{pull.number}":
                pull.head = sha
                return
        name = revision.removeprefix("refs/heads/")
        if name not in self.branches:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        self.branches[name] = sha


class Store:
    """All repositories of a Hub; every change happens under `lock`."""

    def __init__(self, folder: Path | None = None):
        self.blobs = Blobs(folder)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.lock = threading.RLock()
        self._secret = secrets.token_bytes(16)

    def signature(self, place: str) -> str:
        """What an upload address carries instead of a token."""
        return hmac.new(self._secret, place.encode(), "sha256").hexdigest()

    def create(self, kind: str, repo_id: str, *, private: bool = False, sdk: str | None = None) -> Repository:
        check_id(repo_id)
        if (kind, repo_id) in self.repositories:
            raise RefusedError(409, f"You already created this {kind} repo")
        if kind == "space" and sdk not in ("gradio", "static", "docker", "streamlit"):
            raise RefusedError(400, f"Invalid sdk {sdk!r} of a Space")
        made = Repository(kind, repo_id, private, sdk)
        self.repositories[kind, repo_id] = made
        first = self._commit(made, None, {".gitattributes": self.file(_ATTRIBUTES)}, "initial commit", "", "hub")
        made.branches["main"] = first.sha
        return made

    def find(self, kind: str, repo_id: str) -> Repository:
        found = self.repositories.get((kind, repo_id))
        if found is None:
            raise RefusedError(404, "Repository not found", "RepoNotFound")
        return found

    def file(self, data: bytes, *, lfs: bool = False) -> File:
        """A file with these contents, kept."""
        sha = self.blobs.put(data)
        return self.pointed(sha, len(data)) if lfs else File(len(data), sha, git_oid(data), lfs=False)

    def pointed(self, sha256: str, size: int) -> File:
        """An LFS file: git holds only a pointer to it."""
        return File(size, sha256, git_oid(pointer(sha256, size)), lfs=True)

    def commit(
        self,
        repository: Repository,
        revision: str,
        *,
        changed: Mapping[str, File],
        deleted: Iterable[str] = (),
        title: str = "",
        description: str = "",
        author: str = "",
        parent: str | None = None,
    ) -> Commit:
        """A new commit on a branch or pull request; folders are deleted by a path that ends in ``/``."""
        head = repository.at(revision)
        if parent is not None and parent != head.sha:
            raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for path in deleted:
            gone = [name for name in files if name == path or (path.endswith("/") and name.startswith(path))]
            if not gone:
                raise RefusedError(404, f"Path {path} does not exist", "EntryNotFound")
            for name in gone:
                del files[name]
        for path in changed:
            check_path(path)
        made = self._commit(repository, head, {**files, **changed}, title, description, author)
        repository.move(revision, made.sha)
        return made

    def _commit(
        self,
        repository: Repository,
        parent: Commit | None,
        files: Mapping[str, File],
        title: str,
        description: str,
        author: str,
    ) -> Commit:
        number, before = len(repository.commits), parent.sha if parent else None
        names = sorted((path, file.oid) for path, file in files.items())
        sha = hashlib.sha1(repr((repository.id, number, before, names, title)).encode()).hexdigest()
        made = Commit(sha, before, title, description, author, number, files)
        repository.commits[sha] = made
        return made


def check_id(repo_id: str) -> None:
    if not _ID.fullmatch(repo_id) or "--" in repo_id or repo_id.endswith((".git", ".", "-")):
        raise RefusedError(400, f"Invalid repo name {repo_id!r}")


def check_ref(name: str) -> None:
    if not _REF.fullmatch(name) or name.endswith(("/", ".", ".lock")):
        raise RefusedError(400, f"Invalid reference name {name!r}")


def check_path(path: str) -> None:
    parts = path.split("/")
    if not path or "\\" in path or "\0" in path or {"", ".", "..", ".git"} & set(parts):
        raise RefusedError(400, f"Invalid file path {path!r}")


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
