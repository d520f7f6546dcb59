# SPDX-License-Identifier: Apache-2.0
"""A record from wherever it lives: a file, a folder, a repository on the Hub. It does not know what becomes of it."""

from dataclasses import dataclass
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import is_hub_name, without_the_hub
from crossmem_hf.report.record import RECORD_FILE, Record
from crossmem_hf.runs.retry import with_retries

BESIDE = ("predictions.jsonl", "holdout.jsonl", "retain_only/*", "baseline_*", "adapter_*", "README.md")
"""What a record may need to be made again, besides itself."""


@dataclass(frozen=True, slots=True)
class Located:
    """A record, the folder that holds it, and where it came from, in words."""

    record: Record
    folder: Path
    source: str


def located_record(name: str, revision: str | None = None) -> Located:
    """The record in a file or folder, or of a repository that `publish_results` filled.

    Args:
        name: A path, or a Hub name such as ``"you/first-light"``; a path that exists comes first.
        revision: Branch, tag or commit of the repository.

    Raises:
        CrossmemError: There is nothing of that name, it cannot be fetched, or it holds no record of ours.
    """
    path = Path(name)
    if path.exists():
        return Located(Record.read(path), path if path.is_dir() else path.parent, str(path))
    if "/" not in name or not is_hub_name(name):
        raise CrossmemError(
            f"{name!r} is no file or folder here, and no name of a repository.",
            "Pass a record.json, the folder that holds it, or a repository such as 'you/first-light'.",
        )
    folder = _fetched(name, revision)
    at = "" if revision is None else f" at {revision}"
    return Located(Record.read(folder), folder, f"{name}{at}")


def _fetched(repo_id: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [RECORD_FILE, *BESIDE]
    return with_retries(
        f"fetch the record of {repo_id!r}",
        lambda: Path(snapshot_download(repo_id, revision=revision, allow_patterns=patterns)),
        unreachable=without_the_hub(repo_id),
    )
