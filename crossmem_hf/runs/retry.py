# SPDX-License-Identifier: Apache-2.0
"""Asking the Hub again when that may help, and saying what is wrong when it cannot. It does not know what is asked."""

import logging
import re
from collections.abc import Callable, Iterator
from socket import gaierror
from traceback import walk_tb
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_chain, wait_fixed

from crossmem_hf.errors import CrossmemError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_WAITS_SECONDS = (1.0, 3.0, 9.0)
"""Between attempts; huggingface_hub waits about 20 s more by itself in most of its calls."""
_PASSING = (408, 409, 423, 425, 429, 500, 502, 503, 504)
"""Statuses that may be gone in a moment; 409 and 423 are how the Hub says that another change is in progress."""
_LOG_IN = "Log in with 'hf auth login' or set HF_TOKEN"
_REMEDIES = {
    400: "Change what the Hub names, and run again.",
    401: f"{_LOG_IN} to a token that is valid.",
    402: "Pay for it, or choose what is free of charge.",
    403: f"{_LOG_IN} to a token with write access there, or ask its owners for the right.",
    404: "Check the name and the revision; private repositories need a token that may read them.",
    409: "Another change to the repository is in progress or stands against it; look at the repository and run again.",
    412: "Somebody else changed the repository meanwhile, and nothing of ours was published; run again.",
    413: "Publish smaller files.",
    429: "Wait until the Hub's rate limit is over, and run again.",
}
_AGAIN = "Check the network and https://status.huggingface.co, and run again."
_UNSET = "Offline mode is on: unset HF_HUB_OFFLINE, and run again."


def with_retries(doing: str, call: Callable[[], Answer], *, unreachable: str = "") -> Answer:
    """What `call` returns, asked again for a while when the connection breaks or the Hub is in trouble.

    Args:
        doing: What is being done, to complete "Could not ..."; in lower case, without a full stop.
        call: Talks to the Hub; must be such that doing it twice does no harm.
        unreachable: What to do if the Hub cannot be reached; empty says to check the network.

    Raises:
        CrossmemError: It failed for a reason that stays (a missing right, a refused name, offline mode, no network),
            or for too long. Whatever huggingface_hub raised is chained; no address with a signature and no token is
            shown.

    Example:
        >>> with_retries("count to three", lambda: 3)
        3
    """
    from huggingface_hub.errors import HFValidationError

    def warn(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            logger.warning("Could not %s: %s; trying again in %g s", doing, _said(error), state.upcoming_sleep)

    attempts = Retrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_chain(*map(wait_fixed, _WAITS_SECONDS)),
        stop=stop_after_attempt(len(_WAITS_SECONDS) + 1),
        before_sleep=warn,
        reraise=True,
    )
    try:
        return attempts(call)
    except HFValidationError as error:
        raise CrossmemError(f"Could not {doing}: {_said(error)}.", "Name it NAMESPACE/NAME.") from error
    except Exception as error:
        if isinstance(error, CrossmemError) or not _is_of_the_hub(error):
            raise
        raise refusal(doing, error, unreachable) from error


def refusal(doing: str, error: BaseException, unreachable: str = "") -> CrossmemError:
    """The error to show instead of what a client of the Hub raised."""
    status = status_of(error)
    named = f" (HTTP {status})" if status else f" ({type(_root(error)).__name__})"
    remedy = _REMEDIES.get(400 if _is_turned_down(error) else status or 0) or _without_answer(error, unreachable)
    return CrossmemError(f"Could not {doing}: {_said(error)}{named}.", remedy)


def _without_answer(error: BaseException, unreachable: str) -> str:
    """What to do if no answer of the Hub says it."""
    from huggingface_hub import is_offline_mode
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    if any(isinstance(each, LocalTokenNotFoundError) for each in _chain(error)):
        return f"{_LOG_IN}."
    offline = is_offline_mode() or any(isinstance(each, OfflineModeIsEnabled) for each in _chain(error))
    return unreachable or (_UNSET if offline else _AGAIN)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that caused an error; None if it never came to an answer."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def has_no_network(error: BaseException) -> bool:
    """Whether an error came from offline mode, or from a machine that cannot even look up the Hub's address."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    each: BaseException | None = error
    while each is not None and not isinstance(each, OfflineModeIsEnabled | gaierror):
        each = each.__cause__ or each.__context__
    return each is not None


def _is_of_the_hub(error: BaseException) -> bool:
    """Whether an error came from talking to the Hub; anything else is a mistake of ours and must not be hidden."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    kinds = (HfHubHTTPError, LocalTokenNotFoundError, httpx2.HTTPError, ConnectionError, TimeoutError)
    if any(isinstance(each, kinds) for each in _chain(error)):
        return True
    # Uploads through Xet are compiled code called by huggingface_hub and fail with whatever they like. A ValueError is
    # how it turns down what a repository asks of it, such as a file name that climbs out of the cache.
    frames = list(walk_tb(error.__traceback__))
    inside = bool(frames) and str(frames[-1][0].f_globals.get("__name__")).startswith("huggingface_hub.")
    return inside and isinstance(error, OSError | RuntimeError | ValueError)


def _may_pass(error: BaseException) -> bool:
    from huggingface_hub import is_offline_mode
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    stays = (CrossmemError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled)
    if isinstance(error, stays) or not isinstance(error, Exception) or not _is_of_the_hub(error):
        return False
    status = status_of(error)
    # Libraries above huggingface_hub raise a ConnectionError of their own offline, which names no cause.
    if any(isinstance(each, stays) for each in _chain(error)) or (status is None and is_offline_mode()):
        return False
    if has_no_network(error):
        return False
    if _is_turned_down(error):
        return False
    # RuntimeError is how huggingface_hub says which file did not arrive: one damaged on its way is refused with
    # 400, and one that came after its address had expired with 403; the next attempt gets another address.
    return status is None or status in _PASSING or (status in (400, 403) and isinstance(error, RuntimeError))


def _is_turned_down(error: BaseException) -> bool:
    return isinstance(error, ValueError) and status_of(error) is None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _root(error: BaseException) -> BaseException:
    return list(_chain(error))[-1]


def _said(error: BaseException) -> str:
    """What an error says, on one line; queries of addresses are cut, for they may hold signatures."""
    outer = " ".join(str(error).split())
    inner = getattr(next((e for e in _chain(error) if getattr(e, "server_message", None)), None), "server_message", "")
    text = re.sub(r" For more information check: \S+", "", f"{outer} {inner}" if inner not in outer else outer)
    return re.sub(r"(https?://[^\s?]+)\?[^\s)'\"]*", r"\1", text).rstrip(". ") or type(error).__name__
