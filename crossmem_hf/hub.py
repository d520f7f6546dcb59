# SPDX-License-Identifier: Apache-2.0
"""The Hub as whoever publishes meets it: who am I, may I write there, try again, and errors in our words.

Tokens come from where huggingface_hub finds them (``HF_TOKEN``, ``hf auth login``); nothing here holds or shows one.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}|(?<=Bearer )\S+")
_WRITERS = ("admin", "write", "contributor")
_LOG_IN = "Log in with 'hf auth login', or set HF_TOKEN, with a token that may write."
_REMEDIES = {
    401: _LOG_IN,
    403: "Use a token with the right to write there, publish under your own name, or pass --create-pr.",
    404: "Check the name, and that the token may see it.",
    409: "Somebody else is writing there; run again.",
    412: "Somebody else has written there meanwhile; look at it, and run again.",
    413: "Publish less at a time.",
    429: "The Hub asks for a pause; run again later.",
}
_ANY_OTHER = "Check the network and the Hub's status, and run again; what was uploaded is not sent twice."


def hub_api() -> "HfApi":
    """A client that says whose it is."""
    from huggingface_hub import HfApi

    from crossmem_hf import __version__

    return HfApi(library_name="crossmem_hf", library_version=__version__)


def without_tokens(text: str) -> str:
    """The text on one line, with whatever looks like a token struck out.

    Example:
        >>> without_tokens("refused: Bearer hf_abcDEF123")
        'refused: Bearer ***'
    """
    return _TOKEN.sub("***", " ".join(text.split()))


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Errors of the Hub, its client and the network, as ours.

    Args:
        what: What could not be done, e.g. ``"Could not push to 'crossmem/exposure'"``.

    Raises:
        CrossmemError: In the place of any of them; no token is in it.
    """
    import httpx2
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except CrossmemError:
        raise
    except (OSError, HFValidationError, httpx2.HTTPError) as error:
        remedy = _remedy(error)
        raise CrossmemError(
            f"{what}: {type(error).__name__}: {without_tokens(str(error)).rstrip('.')}.", remedy
        ) from error


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _remedy(error: BaseException) -> str:
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    if isinstance(error, HFValidationError):
        return "Write it as 'owner/name'."
    if isinstance(error, LocalTokenNotFoundError):
        return _LOG_IN
    status = _status(error)
    return _ANY_OTHER if status is None else _REMEDIES.get(status, _ANY_OTHER)


def retried(call: Callable[[], T], *, tries: int = 4, pause: Callable[[float], object] = time.sleep) -> T:
    """What `call` returns, called again after 1, 2, 4, ... seconds if the Hub or the network failed it.

    It must be safe to repeat: an answer may be lost after the deed is done. Refusals are not asked again.
    """
    import httpx2

    for wait in range(tries - 1):
        try:
            return call()
        except (httpx2.TransportError, ConnectionError, TimeoutError):
            pause(2.0**wait)
        except OSError as error:
            status = _status(error)
            if status is None or (status < 500 and status != 429):
                raise
            pause(2.0**wait)
    return call()


def who_am_i(api: "HfApi") -> Mapping[str, Any]:
    """What the Hub knows of the token's owner.

    Raises:
        CrossmemError: There is no token, or the Hub does not know it or cannot be reached.
    """
    with hub_errors("Could not ask the Hub who is logged in"):
        known: Mapping[str, Any] = retried(api.whoami)
        return known


def check_may_write(who: Mapping[str, Any], repo_id: str, repo_type: str = "model") -> None:
    """Accept somebody who may write to a repository, as far as the Hub says so beforehand.

    Args:
        who: From `who_am_i`.

    Raises:
        CrossmemError: The token is for reading, its scopes leave the repository out, or its owner is no writing
            member of the organisation.
    """
    namespace, user = repo_id.partition("/")[0], str(who.get("name"))
    roles = {org.get("name"): org.get("roleInOrg") for org in who.get("orgs", ())}
    if namespace != user and roles.get(namespace) not in _WRITERS:
        member = f"is {roles[namespace]!r} there" if namespace in roles else "is no member"
        raise CrossmemError(
            f"{user!r} may not write to {repo_id!r}: {namespace!r} is another account, of which {user!r} {member}.",
            f"Publish as '{user}/...', ask for the right, or pass --create-pr to propose it.",
        )
    token = who.get("auth", {}).get("accessToken", {})
    if token.get("role") == "read":
        raise CrossmemError(f"The token of {user!r} may only read; {repo_id!r} needs one that writes.", _LOG_IN)
    if token.get("role") == "fineGrained" and not _covers(token.get("fineGrained", {}), repo_id, repo_type):
        raise CrossmemError(
            f"The fine-grained token of {user!r} has no right to write to the {repo_type} {repo_id!r}.",
            "Add 'Write access to contents of all repos' there, at https://huggingface.co/settings/tokens.",
        )


def _covers(scopes: Mapping[str, Any], repo_id: str, repo_type: str) -> bool:
    """Whether a fine-grained token has ``repo.write`` for the repository, or for all of its owner."""
    namespace = repo_id.partition("/")[0]
    for scope in scopes.get("scoped", ()):
        entity = scope.get("entity", {})
        of_owner = entity.get("type") in ("user", "org") and entity.get("name") == namespace
        of_repo = entity.get("type") == repo_type and entity.get("name") == repo_id
        if (of_owner or of_repo) and "repo.write" in scope.get("permissions", ()):
            return True
    return False
