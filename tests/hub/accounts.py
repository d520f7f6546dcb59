# SPDX-License-Identifier: Apache-2.0
"""Who may do what on the stand-in for the Hub: tokens, scopes, organizations. It knows no repository's contents."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hub.store import RefusedError, Repository

WRITE_TOKEN = "hf_WriteTokenOfTheTests"
READ_TOKEN = "hf_ReadTokenOfTheTests"
OTHER_TOKEN = "hf_StrangersTokenOfTheTests"
SCOPED_TOKEN = "hf_ScopedTokenOfTheTests"


@dataclass(frozen=True)
class Account:
    """A token's owner and what the token allows.

    Args:
        role: "read", "write" or "fineGrained".
        orgs: Organization -> role in it; "read" members may not write there.
        writable: With "fineGrained": users, organizations and "kind:namespace/name" that may be written to.
    """

    user: str
    role: str = "write"
    orgs: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[str, ...] = ()

    def reads(self, repository: Repository) -> bool:
        owner = repository.id.split("/")[0]
        return not repository.private or owner == self.user or owner in self.orgs

    def writes(self, namespace: str, kind: str = "", repo_id: str = "") -> bool:
        member = namespace == self.user or self.orgs.get(namespace) in ("admin", "write", "contributor")
        scoped = self.role == "write" or namespace in self.writable or f"{kind}:{repo_id}" in self.writable
        return member and self.role != "read" and scoped

    def whoami(self) -> dict:
        token = {"displayName": "tests", "role": self.role, "createdAt": "2026-01-01T00:00:00.000Z"}
        if self.role == "fineGrained":
            scopes = [{"entity": self._entity(name), "permissions": ["repo.write"]} for name in self.writable]
            token["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scopes}
        return {
            "type": "user",
            "id": f"id-{self.user}",
            "name": self.user,
            "fullname": self.user.title(),
            "orgs": [
                {"type": "org", "id": f"id-{name}", "name": name, "fullname": name, "roleInOrg": role}
                for name, role in self.orgs.items()
            ],
            "auth": {"type": "access_token", "accessToken": token},
        }

    def _entity(self, name: str) -> dict:
        kind, colon, repo_id = name.partition(":")
        if colon:
            return {"_id": f"id-{repo_id}", "type": kind, "name": repo_id}
        return {"_id": f"id-{name}", "type": "user" if name == self.user else "org", "name": name}


def usual_accounts() -> dict[str, Account]:
    """Tokens of somebody who may write to ``crossmem``, of somebody who may only read, and of a stranger."""
    return {
        WRITE_TOKEN: Account("ada", "write", {"crossmem": "admin", "onlookers": "read"}),
        READ_TOKEN: Account("ada", "read", {"crossmem": "admin"}),
        OTHER_TOKEN: Account("zoe", "write"),
        SCOPED_TOKEN: Account("ada", "fineGrained", {"crossmem": "admin"}, ("dataset:crossmem/personas",)),
    }


def account_of(authorization: str | None, accounts: Mapping[str, Account]) -> Account | None:
    """Whose request it is; None if it is anonymous."""
    if authorization is None:
        return None
    account = accounts.get(authorization.removeprefix("Bearer "))
    if account is None:
        raise RefusedError(401, "Invalid credentials in Authorization header")
    return account


def check_read(account: Account | None, repository: Repository) -> None:
    """Private repositories do not exist for those who may not read them."""
    if repository.private and account is None:
        raise RefusedError(401, "Invalid username or password.", "RepoNotFound")
    if account is not None and not account.reads(repository):
        raise RefusedError(404, "Repository not found", "RepoNotFound")


def check_write(account: Account | None, repository: Repository) -> None:
    check_read(account, repository)
    if account is None:
        raise RefusedError(401, "Invalid username or password.")
    if not account.writes(repository.id.split("/")[0], repository.kind, repository.id):
        raise RefusedError(
            403, f"Forbidden: you don't have the right to write to this {repository.kind}: {repository.id}"
        )
