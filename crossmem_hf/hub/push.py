# SPDX-License-Identifier: Apache-2.0
"""A folder as one commit of a repository, checked on arrival, then tagged. It does not know what the files hold."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.retry import with_retries

_AGAIN = "Check the network and https://status.huggingface.co, and run again: what has arrived is not sent again."


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push.

    Attributes:
        commit: The commit that holds exactly the folder's files; a new one only if there were changes.
        num_changed: Files that were sent or removed; 0 if the Hub held all of this already.
        pull_request: Address of the pull request that waits for somebody to merge it; empty if none was asked for.
    """

    commit: str
    num_changed: int
    pull_request: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """The files of a repository at a commit: path -> (size, SHA-256 of LFS files, git's name of others)."""

    commit: str
    files: dict[str, tuple[int, str]]


def push_folder(
    folder: Path,
    repo_id: str,
    repo_type: str,
    *,
    message: str,
    revision: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    replaced: Sequence[str] = (),
    hidden: bool = False,
) -> Pushed:
    """Let a branch hold the files of a folder: in one commit, or in none if it holds them already.

    Files reach the Hub before the commit does, so that an interrupted push leaves every branch and tag as it was,
    and the next one sends only what has not arrived. A tag is set when the commit was compared with the folder.

    Args:
        revision: The branch, made if need be; None for ``main``.
        create_pr: Open a pull request instead; one that is open and holds the same is taken for it.
        tag: Name of the version. If it exists, it must hold the same files, and stays where it is; a branch that has
            gone on from there is not taken back.
        replaced: Patterns of files to remove from the repository unless the folder has them.
        hidden: Files and folders whose names begin with a dot go along.

    Raises:
        CrossmemError: The tag exists and holds something else, somebody else changed the branch meanwhile, the Hub
            refuses, is out of reach for too long, or holds other bytes than those sent.
    """
    if create_pr and (tag is not None or revision not in (None, "main")):
        raise CrossmemError(
            "A pull request cannot be tagged and goes to 'main'.",
            "Leave tag and revision out, or create_pr.",
        )
    if tag is not None:
        check_tag_name(tag)
    push = _Push(repo_id, repo_type, _local_files(folder, hidden=hidden), tuple(replaced), message)
    tagged = None if tag is None else push.check_tag(tag)
    if create_pr:
        return push.pull_request()
    branch = revision or "main"
    if branch != "main":
        push.make_branch(branch)
    if tagged is not None and push.has_passed(branch, tagged):
        return Pushed(tagged, 0)
    pushed = push.commit(branch)
    if tag is not None and tagged is None:
        push.set_tag(tag, pushed.commit)
    return pushed


def check_tag_name(tag: str) -> str:
    """The tag, if git and the Hub can have one of that name.

    Raises:
        CrossmemError: They cannot.

    Example:
        >>> check_tag_name("v1.0")
        'v1.0'
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", tag) or ".." in tag or tag.endswith((".", ".lock")):
        raise CrossmemError(
            f"{tag!r} is no name for a version.", "Write it like v1.0: letters, digits, dots, - and _."
        )
    return tag


class _Push:
    """One folder on its way to one repository."""

    def __init__(
        self, repo_id: str, repo_type: str, files: dict[str, Path], replaced: tuple[str, ...], message: str
    ) -> None:
        from huggingface_hub import HfApi

        self.api = HfApi(library_name="crossmem_hf")
        self.repo: dict[str, Any] = {"repo_id": repo_id, "repo_type": repo_type}
        self.name = f"{repo_type} {repo_id!r}"
        self.files = files
        self.replaced = replaced
        self.message = message
        self.digests = {name: _digests(path) for name, path in files.items()}

    def held(self, revision: str) -> _Held:
        """What the repository holds at a revision."""
        from huggingface_hub.hf_api import RepoFile

        def ask() -> _Held:
            commit = self.api.repo_info(revision=revision, **self.repo).sha
            entries = self.api.list_repo_tree(recursive=True, revision=commit, **self.repo)
            files = {each.path: each for each in entries if isinstance(each, RepoFile)}
            return _Held(
                str(commit),
                {path: (file.size, file.lfs.sha256 if file.lfs else file.blob_id) for path, file in files.items()},
            )

        return with_retries(f"list the files of the {self.name}", ask)

    def changes(self, held: _Held) -> tuple[list[str], list[str]]:
        """(files to send, files to remove) that make a commit hold the folder."""
        sent = [name for name, known in self.digests.items() if not _agree(held.files.get(name), known)]
        stale = [
            path
            for path in held.files
            if path not in self.files and any(fnmatch(path, pattern) for pattern in self.replaced)
        ]
        return sent, stale

    def check_tag(self, tag: str) -> str | None:
        """The commit that a tag names, if it holds the folder; None if there is no such tag."""
        refs = with_retries(f"list the tags of the {self.name}", lambda: self.api.list_repo_refs(**self.repo))
        if tag in {branch.name for branch in refs.branches}:
            raise CrossmemError(f"{tag!r} is a branch of the {self.name}.", "Choose another name for the tag.")
        commit = {each.name: each.target_commit for each in refs.tags}.get(tag)
        if commit is None:
            return None
        sent, stale = self.changes(self.held(f"refs/tags/{tag}"))
        if sent or stale:
            raise CrossmemError(
                f"Tag {tag!r} of the {self.name} exists and holds other data: {len(sent) + len(stale)} file(s) "
                f"differ, such as {(sent + stale)[0]!r}.",
                "People rely on a version staying what it is: choose another tag.",
            )
        return str(commit)

    def make_branch(self, branch: str) -> None:
        with_retries(
            f"make the branch {branch!r} of the {self.name}",
            lambda: self.api.create_branch(branch=branch, exist_ok=True, **self.repo),
        )

    def has_passed(self, branch: str, commit: str) -> bool:
        """Whether a commit is in the history of a branch."""

        def ask() -> bool:
            return commit in {each.commit_id for each in self.api.list_repo_commits(revision=branch, **self.repo)}

        return with_retries(f"read the history of the {self.name}", ask)

    def commit(self, branch: str) -> Pushed:
        """The branch holds the folder; every attempt looks at it anew, since an earlier one may have got through."""

        def attempt() -> Pushed:
            held = self.held(branch)
            sent, stale = self.changes(held)
            if not sent and not stale:
                return Pushed(held.commit, 0)
            made = self._send(sent, stale, revision=branch, parent_commit=held.commit)
            return Pushed(made.oid, len(sent) + len(stale))

        pushed = with_retries(f"push to the {self.name}", attempt, unreachable=_AGAIN)
        self._check_arrival(pushed.commit)
        return pushed

    def pull_request(self) -> Pushed:
        """An open pull request holds the folder, or ``main`` does already."""

        def attempt() -> Pushed:
            held = self.held("main")
            sent, stale = self.changes(held)
            if not sent and not stale:
                return Pushed(held.commit, 0)
            return self._open_pull_request() or self._opened(sent, stale, held)

        return with_retries(f"open a pull request against the {self.name}", attempt, unreachable=_AGAIN)

    def _open_pull_request(self) -> Pushed | None:
        """One that is open and holds the folder, perhaps since an attempt whose answer was lost."""
        for each in self.api.get_repo_discussions(
            discussion_type="pull_request", discussion_status="open", **self.repo
        ):
            held = self.held(f"refs/pr/{each.num}")
            if self.changes(held) == ([], []):
                return Pushed(held.commit, 0, each.url)
        return None

    def _opened(self, sent: list[str], stale: list[str], held: _Held) -> Pushed:
        made = self._send(sent, stale, parent_commit=held.commit, create_pr=True)
        self._check_arrival(str(made.pr_revision))
        return Pushed(made.oid, len(sent) + len(stale), str(made.pr_url))

    def _send(self, sent: list[str], stale: list[str], **where: Any) -> Any:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = [
            *(CommitOperationAdd(name, self.files[name]) for name in sent),
            *(CommitOperationDelete(name) for name in stale),
        ]
        return self.api.create_commit(operations=operations, commit_message=self.message, **self.repo, **where)

    def _check_arrival(self, revision: str) -> None:
        sent, stale = self.changes(self.held(revision))
        if sent or stale:
            raise CrossmemError(
                f"After the push, {len(sent) + len(stale)} file(s) of the {self.name} are not those of the folder, "
                f"such as {(sent + stale)[0]!r}; no tag was set.",
                "Look at the repository's history: somebody else may have changed it; then run again.",
            )

    def set_tag(self, tag: str, commit: str) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        def attempt() -> None:
            try:
                self.api.create_tag(tag=tag, revision=commit, **self.repo)
            except HfHubHTTPError as error:
                # Set meanwhile, perhaps by an attempt whose answer was lost: right if it holds the folder.
                if error.response.status_code != 409 or self.check_tag(tag) is None:
                    raise

        with_retries(f"set the tag {tag!r} of the {self.name}", attempt)


def _local_files(folder: Path, *, hidden: bool) -> dict[str, Path]:
    """Path in the repository -> file, in order."""
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: path
        for name, path in names.items()
        if hidden or not any(part.startswith(".") for part in name.split("/"))
    }


def _digests(path: Path) -> tuple[int, str, str]:
    """(size, SHA-256, git's name) of a file, read a piece at a time."""
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            sha256.update(piece)
            git.update(piece)
    return size, sha256.hexdigest(), git.hexdigest()


def _agree(held: tuple[int, str] | None, known: tuple[int, str, str]) -> bool:
    size, sha256, git = known
    return held is not None and held[0] == size and held[1] in (sha256, git)
