# SPDX-License-Identifier: Apache-2.0
"""Named contents as a commit of a repository that is empty or ours. It does not know what they are."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.permissions import ready_repository
from crossmem_hf.hub.push import push_folder
from crossmem_hf.runs.retry import with_retries

Contents = bytes | Path
_TOKEN = re.compile(rb"\b(?:(?:hf|api_org|ghp|gho|github_pat)_\w{16,}|sk-[\w-]{20,}|AKIA[0-9A-Z]{16})\b")
_OF_THE_HUB = {".gitattributes", "README.md"}  # what a repository may begin with


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to publish, and how.

    Attributes:
        repo_type: ``"model"`` or ``"space"``.
        marker: A file that tells a repository of ours from others; one without it is not written to.
        replaced: Patterns of files that are removed when they are no longer among the contents.
        private: True asks for a private repository; None takes the account's default.
        create_pr: Propose the contents in a pull request; the repository must exist.
    """

    repo_id: str
    repo_type: str
    marker: str
    replaced: Sequence[str] = ()
    private: bool | None = None
    create_pr: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the contents are, the pull request's address if there is one, and whether that took a commit."""

    repo_id: str
    address: str
    changed: bool


def ready(place: Place) -> str:
    """The address of a repository that may be written to and is empty or ours, made if need be.

    Raises:
        CrossmemError: No right to it, or it holds something else.
    """
    address = ready_repository(
        place.repo_id,
        place.repo_type,
        private=place.private,
        create_pr=place.create_pr,
        space_sdk="gradio" if place.repo_type == "space" else None,
    )
    held = with_retries(f"list the files of {place.repo_id!r}", lambda: _client().list_repo_files(**_repo(place)))
    others = [name for name in held if name not in _OF_THE_HUB]
    if others and place.marker not in held:
        raise CrossmemError(
            f"{place.repo_id!r} holds {others[0]!r} but no {place.marker!r}: it was not published by us.",
            "Choose another name; what is there would be mixed with ours.",
        )
    return address


def publish(place: Place, address: str, contents: Mapping[str, Contents], message: str) -> Published:
    """Let a repository that is `ready` hold the contents, in one commit; in none if it holds them already.

    Args:
        address: From `ready`.
        contents: Path in the repository -> bytes, or the file that has them.

    Raises:
        CrossmemError: The Hub refuses, or fails for too long; nothing of the contents is seen there then.
    """
    with tempfile.TemporaryDirectory(prefix="crossmem-publish-") as scratch:
        folder = Path(scratch)
        _lay_out(folder, contents)
        pushed = push_folder(
            folder,
            place.repo_id,
            place.repo_type,
            message=message,
            create_pr=place.create_pr,
            replaced=place.replaced,
            hidden=True,
        )
    return Published(
        repo_id=place.repo_id,
        address=pushed.pull_request or address,
        changed=pushed.num_changed > 0,
    )


def check_no_token(contents: Mapping[str, Contents]) -> None:
    """Accept contents without anything that looks like a token.

    Raises:
        CrossmemError: There is one; its file is named, the token is not.
    """
    for name, content in contents.items():
        if Path(name).suffix in (".safetensors", ".png"):
            continue
        if _TOKEN.search(content if isinstance(content, bytes) else content.read_bytes()):
            raise CrossmemError(f"{name!r} holds what looks like a token.", "Remove it there, and publish again.")


def account_name() -> str:
    """Whose token it is.

    Raises:
        CrossmemError: There is none, or the Hub does not know it or cannot be reached.
    """
    return str(with_retries("ask the Hub whose token this is", lambda: _client().whoami())["name"])


def _client() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="crossmem_hf")


def _repo(place: Place) -> dict[str, str]:
    return {"repo_id": place.repo_id, "repo_type": place.repo_type}


def _lay_out(folder: Path, contents: Mapping[str, Contents]) -> None:
    """Files stay where they are: links stand for them."""
    for name, content in contents.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            place.symlink_to(content.resolve())
