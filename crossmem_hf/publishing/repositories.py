# SPDX-License-Identifier: Apache-2.0
"""Files into a repository, all in one commit or not at all. It does not know what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub import hub_errors, retried

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Contents = bytes | Path
_NOT_OURS = (".gitattributes",)  # the Hub's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to publish, and how.

    Attributes:
        repo_type: ``"model"`` or ``"space"``.
        marker: A file that tells a repository of ours from others; one without it is not written to.
        stale: Patterns of files that are removed when they are no longer among the files.
        private: Only for a repository that is made; None takes the account's default.
        create_pr: Propose the files in a pull request; the repository must exist.
    """

    repo_id: str
    repo_type: str
    marker: str
    stale: Sequence[str] = ()
    private: bool | None = None
    create_pr: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the files are, and whether that took a commit; `address` is of the pull request if there is one."""

    repo_id: str
    address: str
    changed: bool


def publish_files(api: "HfApi", place: Place, files: Mapping[str, Contents], message: str) -> Published:
    """Make the repository if need be, and let it hold the files; equal files are not sent again.

    Args:
        files: Path in the repository -> contents, or where they are.

    Raises:
        CrossmemError: The repository holds something else, or the Hub refuses or fails; nothing of the files is
            seen there then, and what was uploaded is not sent again next time.
    """
    with hub_errors(f"Could not publish to {place.repo_id!r}"):
        address = _made(api, place)
        return retried(lambda: _committed(api, place, files, message, address))


def _made(api: "HfApi", place: Place) -> str:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        retried(lambda: api.repo_info(place.repo_id, repo_type=place.repo_type))
    except RepositoryNotFoundError:
        if place.create_pr:
            raise
        sdk = {"space_sdk": "gradio"} if place.repo_type == "space" else {}
        made = retried(
            lambda: api.create_repo(
                place.repo_id, repo_type=place.repo_type, private=place.private, exist_ok=True, **sdk
            )
        )
        return str(made)
    prefix = "" if place.repo_type == "model" else f"{place.repo_type}s/"
    return f"{api.endpoint}/{prefix}{place.repo_id}"


def _committed(api: "HfApi", place: Place, files: Mapping[str, Contents], message: str, address: str) -> Published:
    """One try: what is there is looked at anew, so that a lost answer does not lead to a second commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    head = api.repo_info(place.repo_id, repo_type=place.repo_type).sha
    held = _held(api, place)
    old = [name for name in held if name not in files and any(fnmatchcase(name, one) for one in place.stale)]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in sorted(files.items())
    ]
    operations += [CommitOperationDelete(path_in_repo=name) for name in old]
    commit = api.create_commit(
        place.repo_id,
        operations,
        commit_message=message,
        repo_type=place.repo_type,
        create_pr=place.create_pr,
        parent_commit=head,
    )
    changed = commit.oid != head
    return Published(
        repo_id=place.repo_id,
        address=commit.pr_url if changed and commit.pr_url else address,
        changed=changed,
    )


def _held(api: "HfApi", place: Place) -> list[str]:
    """The files of the repository, which is empty or ours."""
    held = [name for name in api.list_repo_files(place.repo_id, repo_type=place.repo_type) if name not in _NOT_OURS]
    fresh = set(held) <= {"README.md"}  # some accounts' repositories begin with one
    if not fresh and place.marker not in held:
        raise CrossmemError(
            f"{place.repo_id!r} holds {held[0]!r} and others, but no {place.marker!r}: it was not published by us.",
            "Choose another name; its files would be mixed with ours.",
        )
    return held
