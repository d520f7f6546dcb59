# SPDX-License-Identifier: Apache-2.0
"""Whether the token at hand may write to a repository, asked of the Hub before any work is done."""

from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.retry import status_of, with_retries


def ready_repository(
    repo_id: str,
    repo_type: str,
    *,
    private: bool | None = None,
    create_pr: bool = False,
    space_sdk: str | None = None,
) -> str:
    """The address of a repository that may be written to, made if need be: call it before the work is done.

    Args:
        repo_type: "model", "dataset" or "space".
        private: True asks for a private repository, and refuses one that exists and is public; None takes what is
            there, or the account's default.
        create_pr: A pull request is meant: the repository must exist, and no right to it is needed.
        space_sdk: For a Space that does not exist yet.

    Raises:
        CrossmemError: No token or one that is not valid or may only read, no right to the namespace or repository, a
            repository that is missing (for a pull request) or public (when private is asked for), or no network.
    """
    from huggingface_hub import HfApi

    _check_name(repo_id)
    api = HfApi(library_name="crossmem_hf")
    if _may_write(api, repo_id, repo_type, create_pr=create_pr):
        info = with_retries(f"look at {repo_id!r}", lambda: api.repo_info(repo_id, repo_type=repo_type))
        if private and not info.private:
            raise CrossmemError(
                f"The {repo_type} {repo_id!r} exists and is public; expected a private one.",
                "Make it private in its settings on the Hub, or choose another name.",
            )
        plural = "" if repo_type == "model" else f"{repo_type}s/"
        return f"{api.endpoint}/{plural}{repo_id}"
    if create_pr:
        raise CrossmemError(
            f"There is no {repo_type} {repo_id!r} to open a pull request against.",
            "Check the name, or publish without create_pr.",
        )
    made = with_retries(
        f"create the {repo_type} {repo_id!r}",
        lambda: api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=space_sdk),
    )
    if not _may_write(api, repo_id, repo_type):  # it exists, and is hidden from this token
        raise CrossmemError(
            f"The {repo_type} {repo_id!r} cannot be seen by this token.", "Choose another name, or another token."
        )
    return str(made)


def _check_name(repo_id: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # documented, and not re-exported

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise CrossmemError(f"{repo_id!r} is no name of a repository: {error}", "Name it NAMESPACE/NAME.") from error
    if "/" not in repo_id:
        raise CrossmemError(f"{repo_id!r} names no namespace.", "Name it NAMESPACE/NAME.")


def _may_write(api: Any, repo_id: str, repo_type: str, *, create_pr: bool = False) -> bool:
    """True if the Hub says so; False if there is no repository that the token may see; an error otherwise."""
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.errors import RepositoryNotFoundError

    def ask() -> bool:
        try:
            api.auth_check(repo_id, repo_type=repo_type, token=True, write=not create_pr)
            if create_pr:  # `auth_check` knows no right to propose: announce a file, which is never sent
                announced = [CommitOperationAdd("README.md", b"announced, not sent")]
                api.preupload_lfs_files(repo_id, additions=announced, repo_type=repo_type, create_pr=True)
        except RepositoryNotFoundError as error:
            if status_of(error) == 404:
                return False
            raise
        return True

    return with_retries(f"write to the {repo_type} {repo_id!r}", ask)
