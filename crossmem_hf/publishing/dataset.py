# SPDX-License-Identifier: Apache-2.0
"""The written dataset on the Hub: what is pushed is the folder that `write_dataset` filled, byte for byte."""

from pathlib import Path

from crossmem_hf.data.release.quality import check_written
from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.push import Pushed, push_folder


def push_dataset(
    folder: Path,
    repo_id: str,
    *,
    revision: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
) -> Pushed:
    """Make a dataset repository hold a folder that `write_dataset` filled; its other Parquet files are removed.

    One commit, or none if the repository holds exactly this already. The token comes from the environment or from
    ``hf auth login``; only huggingface_hub sees it. See `hub.permissions.ready_repository`, which comes first.

    Args:
        revision: Branch to push to, made if need be; None for ``main``.
        create_pr: Open a pull request instead.
        tag: Name of the version, set once everything has arrived.

    Raises:
        CrossmemError: The folder holds no dataset, or one that did not pass its checks; the tag exists and holds
            other data; or the Hub does not let us.
    """
    if not (folder / "README.md").is_file():
        raise CrossmemError(f"{str(folder)!r} holds no dataset card.", "Write the dataset there first.")
    check_written(folder)
    return push_folder(
        folder,
        repo_id,
        "dataset",
        message="Upload the dataset",
        revision=revision,
        create_pr=create_pr,
        tag=tag,
        replaced=["*.parquet"],
    )
