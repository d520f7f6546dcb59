# SPDX-License-Identifier: Apache-2.0
"""Whether the token at hand may write to a repository, asked before any work is done."""

from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.retry import status_of, with_retries

_NO_WRITING = ("read",)


def ready_repository(
    repo_id: str,
    repo_type: str,
    *,
    private: bool | None = None,
    create_pr: bool = False,
    space_sdk: str | None = None,
) -> str:
    """The address of a repository that may be written to, made if need be: call it before the work is done.

    What can be known without touching anything is asked first: the name, the token, its kind, the namespaces it
    reaches. Then the repository is made, or a change to the existing one is announced and never sent.

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

    api = HfApi(library_name="crossmem_hf")
    namespace = _namespace(repo_id)
    account = with_retries("ask the Hub whose token this is", api.whoami)
    _check_token(account, repo_id, repo_type, namespace, create_pr=create_pr)
    info = _info(api, repo_id, repo_type)
    if info is None:
        if create_pr:
            raise CrossmemError(
                f"There is no {repo_type} {repo_id!r} to open a pull request against.",
                "Check the name, or publish without create_pr.",
            )
        made = with_retries(
            f"create the {repo_type} {repo_id!r}",
            lambda: api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=space_sdk),
        )
        return str(made)
    if private and not info.private:
        raise CrossmemError(
            f"The {repo_type} {repo_id!r} exists and is public; expected a private one.",
            "Make it private in its settings on the Hub, or choose another name.",
        )
    _announce(api, repo_id, repo_type, create_pr=create_pr)
    plural = "" if repo_type == "model" else f"{repo_type}s/"
    return f"{api.endpoint}/{plural}{repo_id}"


def _namespace(repo_id: str) -> str:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # documented, and not re-exported

    namespace, slash, _ = repo_id.partition("/")
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise CrossmemError(f"{repo_id!r} is no name of a repository: {error}", "Name it NAMESPACE/NAME.") from error
    if not slash:
        raise CrossmemError(f"{repo_id!r} names no namespace.", "Name it NAMESPACE/NAME.")
    return namespace


def _check_token(account: dict[str, Any], repo_id: str, repo_type: str, namespace: str, *, create_pr: bool) -> None:
    """Refuse what the Hub's own description of the token rules out; what it leaves open is asked of the repository."""
    token = account.get("auth", {}).get("accessToken", {})
    name = account.get("name")
    if token.get("role") in _NO_WRITING:
        raise CrossmemError(
            f"The token of {name!r} may only read; publishing to {repo_id!r} needs one that may write.",
            "Make a token with write access at https://huggingface.co/settings/tokens and log in with it.",
        )
    if create_pr:
        return
    orgs = {each.get("name"): each.get("roleInOrg") for each in account.get("orgs", ())}
    if namespace != name and (namespace not in orgs or orgs[namespace] in _NO_WRITING):
        known = ", ".join(
            repr(each) for each in (name, *(org for org, role in orgs.items() if role not in _NO_WRITING))
        )
        raise CrossmemError(
            f"{name!r} may not write to {namespace!r}; the token at hand reaches {known}.",
            "Publish under one of these, ask the organization for write access, or open a pull request (create_pr).",
        )
    scopes = token.get("fineGrained", {}).get("scoped")
    if scopes is not None and not any(_reaches(scope, repo_id, repo_type, namespace) for scope in scopes):
        raise CrossmemError(
            f"The fine-grained token of {name!r} has no write access to {repo_id!r}.",
            "Give it 'repo.write' for the namespace or the repository at https://huggingface.co/settings/tokens.",
        )


def _reaches(scope: dict[str, Any], repo_id: str, repo_type: str, namespace: str) -> bool:
    entity = scope.get("entity", {})
    kind, name = entity.get("type"), entity.get("name")
    fits = name == namespace if kind in ("user", "org") else (kind, name) == (repo_type, repo_id)
    return fits and "repo.write" in scope.get("permissions", ())


def _info(api: Any, repo_id: str, repo_type: str) -> Any:
    """What the Hub knows of a repository; None if there is none that the token may see."""
    from huggingface_hub.errors import RepositoryNotFoundError

    def ask() -> Any:
        try:
            return api.repo_info(repo_id, repo_type=repo_type)
        except RepositoryNotFoundError as error:
            if status_of(error) == 404:
                return None
            raise

    return with_retries(f"look at the {repo_type} {repo_id!r}", ask)


def _announce(api: Any, repo_id: str, repo_type: str, *, create_pr: bool) -> None:
    """Ask the Hub how it would take a file, which it answers only to those who may send it; nothing is sent."""
    from huggingface_hub import CommitOperationAdd

    with_retries(
        f"write to the {repo_type} {repo_id!r}",
        lambda: api.preupload_lfs_files(
            repo_id,
            additions=[CommitOperationAdd("README.md", b"announced, not sent")],
            repo_type=repo_type,
            create_pr=create_pr,
        ),
    )
