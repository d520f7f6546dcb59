# SPDX-License-Identifier: Apache-2.0
"""Records that a repository on the Hub holds. Owns which files are taken; does not know what is in them."""

from pathlib import Path

from personas import TOKEN, check_repo
from records import MAX_BYTES

NAME = "record.json"
MAX_FILES = 10


def records_of_repo(repo: str) -> list[tuple[str, bytes]]:
    """Name and contents of every record in a model or data set repository.

    Raises:
        ValueError: No such repository, none that can be reached, or one without a record.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.hf_api import RepoFile

    repo = check_repo(repo)
    api, reasons = HfApi(token=TOKEN), []
    for kind in ("model", "dataset"):
        try:
            tree = api.list_repo_tree(repo, repo_type=kind, recursive=True)
            files = [entry for entry in tree if isinstance(entry, RepoFile) and Path(entry.path).name == NAME]
            if files:
                return [
                    (
                        f"{repo}/{entry.path}"[-80:],
                        Path(hf_hub_download(repo, entry.path, repo_type=kind, token=TOKEN)).read_bytes(),
                    )
                    for entry in files[:MAX_FILES]
                    if entry.size <= MAX_BYTES
                ]
        except Exception as error:  # every client library has its own; each means that the Hub gave nothing
            reasons.append(type(error).__name__)
    why = f" ({', '.join(reasons)})" if reasons else ""
    raise ValueError(f"{repo}: no record.json found{why}. Name a public repository that holds one.")
