# SPDX-License-Identifier: Apache-2.0
"""The written dataset on the Hub: what is pushed is the folder that `data.writing` filled, byte for byte."""

from pathlib import Path

from crossmem_hf.errors import CrossmemError


def push_dataset(folder: Path, repo_id: str, *, private: bool | None = None, revision: str | None = None) -> str:
    """Upload a folder that `write_dataset` filled to a dataset repository; its older Parquet files are removed.

    The token comes from the environment or from ``hf auth login``; only huggingface_hub sees it.

    Args:
        private: Only for a repository that does not exist yet; None takes the account's default.
        revision: Branch to push to, made if need be; None for ``main``.

    Returns:
        The address of the dataset.

    Raises:
        CrossmemError: No token, no permission, no network, or a name the Hub does not accept.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    if not (folder / "README.md").is_file():
        raise CrossmemError(f"{str(folder)!r} holds no dataset card.", "Write the dataset there first.")
    api = HfApi(library_name="crossmem_hf")
    try:
        address = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, repo_type="dataset", exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            repo_type="dataset",
            revision=revision,
            commit_message="Upload the dataset",
            delete_patterns=["*.parquet"],
        )
    except (OSError, HFValidationError) as error:
        raise CrossmemError(
            f"Could not push to {repo_id!r}: {type(error).__name__}: {' '.join(str(error).split())}",
            "Log in with 'hf auth login' (or set HF_TOKEN), check the name and the network, and run again.",
        ) from error
    return str(address)
