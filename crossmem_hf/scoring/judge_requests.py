# SPDX-License-Identifier: Apache-2.0
"""One chat server asked with patience: paced, retried, counted, and with its tokens kept out of every message.

It does not know what is asked, nor what a good reply is.
"""

import math
import os
import reprlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import InferenceClient, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.verdicts import MalformedReplyError
from crossmem_hf.seeding import rng_for

Message = Mapping[str, str]

FIRST_WAIT: Final = 1.0
"""Seconds before the first retry; doubled each time up to `LONGEST_BACKOFF`, and shortened by up to half at random."""
LONGEST_BACKOFF: Final = 60.0
LONGEST_RETRY_AFTER: Final = 600.0
"""Seconds: a server that asks for a longer pause ends the run."""
GIVE_UP_AFTER: Final = 8
"""Items in a row without any reply that end the run: the server is gone."""

_TRANSIENT = {408, 409, 425, 429}
_SHORTEST_SECRET = 6
_FAULTS = (httpx2.HTTPError, OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError)

WHERE_TOKENS_ARE = (
    "For Hugging Face, `hf auth login` or the variable HF_TOKEN gives one; a server named by base_url gets only what "
    'is passed as token, usually what its provider issued, e.g. token=os.environ["OPENAI_API_KEY"].'
)
_REMEDIES = {
    401: WHERE_TOKENS_ARE,
    402: "Check the credit of the account that the token belongs to.",
    403: f"Check that this token may use this model. {WHERE_TOKENS_ARE}",
    404: "Check model and base_url (it usually ends in /v1; /chat/completions is added).",
}
_OTHER_REMEDY = "Check model, max_tokens, temperature and seed; None leaves a setting out of the request."


class UnansweredError(Exception):
    """No reply in all attempts; its text says what came instead."""


class StoppedError(Exception):
    """Another item ended the run."""


class Pace:
    """When the next request may be sent; shared by all threads.

    Args:
        requests_per_minute: Requests start at least 60 divided by this many seconds apart; None sets no limit.
        clock: Seconds that only grow.

    Example:
        >>> pace = Pace(120, clock=lambda: 10.0)
        >>> pace.turn(), pace.turn()
        (0.0, 0.5)
    """

    def __init__(self, requests_per_minute: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock
        self._next = -math.inf
        self._lock = threading.Lock()

    def turn(self) -> float:
        """0 if the caller may send now, which takes the turn; otherwise seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                return self._next - now
            self._next = now + self._gap
            return 0.0

    def hold(self, seconds: float) -> None:
        """Nobody sends for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


class PatientClient:
    """A chat model that is asked until it replies, or until it is clear that it will not.

    Args:
        client: Anything with huggingface_hub's `chat_completion`.
        model: Name in the payload.
        settings: Further arguments of `chat_completion`; None is not sent.
        retries: How often a request without reply is sent again.

    Attributes:
        stop: Once set, threads that wait raise `StoppedError`.
        num_requests: Requests sent.
        tokens: Tokens read and written, as the server counts.
        num_unmetered: Replies that said no such numbers.
    """

    def __init__(
        self, client: InferenceClient, model: str, settings: Mapping[str, Any], *, retries: int, pace: Pace
    ) -> None:
        self.client, self.model, self.settings = client, model, dict(settings)
        self.stop = threading.Event()
        self.num_requests = self.num_unmetered = 0
        self.tokens = (0, 0)
        self._retries, self._pace = retries, pace
        self._silent = 0
        self._lock = threading.Lock()
        secrets = (client.token, get_token(), *(value.removeprefix("Bearer ") for value in client.headers.values()))
        self._secrets = [secret for secret in secrets if secret and len(secret) >= _SHORTEST_SECRET]

    def reply(self, messages: Sequence[Message]) -> str:
        """The text of the model's reply.

        Raises:
            UnansweredError: Overload, server errors, timeouts or dropped connections until all retries are used.
            MalformedReplyError: A reply came, but no chat completion with a text.
            CrossmemError: Asking again would be useless: the request is refused, or the server is gone.
            StoppedError: `stop` is set.
        """
        fault = ""
        for attempt in range(self._retries + 1):
            if attempt:
                jitter = rng_for(os.getpid(), "backoff", threading.get_ident(), self.num_requests).random()
                self._sleep(min(LONGEST_BACKOFF, FIRST_WAIT * 2 ** (attempt - 1)) * (1.0 - jitter / 2.0))
            while (wait := self._pace.turn()) > 0:
                self._sleep(wait)
            self._sleep(0)
            try:
                return self._attempt(messages)
            except _TransientError as error:
                fault = str(error)
        with self._lock:
            self._silent += 1
            silent = self._silent
        if silent >= GIVE_UP_AFTER:
            raise CrossmemError(
                f"{self.place} left {silent} items in a row without any reply; the last one: {fault}.",
                "Check that the server runs, lower concurrency or set requests_per_minute, and run again.",
            )
        raise UnansweredError(f"no reply to {self._retries + 1} requests; the last one: {fault}")

    def hidden(self, text: str) -> str:
        """The text without any token that this client knows."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @property
    def place(self) -> str:
        """Who is asked, without query, user or password."""
        if not is_address(self.client.model):
            return f"The judge {self.model!r} at Hugging Face"
        parts = urlsplit(str(self.client.model))
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"The judge {self.model!r} at {where!r}"

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise StoppedError

    def _attempt(self, messages: Sequence[Message]) -> str:
        with self._lock:
            self.num_requests += 1
        try:
            output = self.client.chat_completion([dict(turn) for turn in messages], model=self.model, **self.settings)
        except _FAULTS as error:
            diagnosis = self._diagnosis(error)
        else:
            self._meter(getattr(output, "usage", None))
            return self.hidden(_text(output))
        raise diagnosis  # out here, so that no traceback leads to the request and its headers

    def _meter(self, usage: object) -> None:
        read, written = (getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
        with self._lock:
            self._silent = 0
            if isinstance(read, int) and isinstance(written, int) and min(read, written) >= 0:
                self.tokens = (self.tokens[0] + read, self.tokens[1] + written)
            else:
                self.num_unmetered += 1

    def _diagnosis(self, error: Exception) -> Exception:
        """What to make of a failed call; texts of transport errors are not repeated, they may hold headers."""
        kind = type(error).__name__
        response = _response(error)
        if response is not None:
            return self._refusal(response)
        if isinstance(error, OfflineModeIsEnabled):
            return CrossmemError(
                f"{self.place} cannot be reached: HF_HUB_OFFLINE is set.", "Unset it, or name a server by base_url."
            )
        if isinstance(error, TimeoutError):
            return _TransientError(f"silence for {self.client.timeout} s")
        if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol | httpx2.TooManyRedirects):
            return CrossmemError(f"{self.place} cannot be asked ({kind}).", "Check base_url, token and headers.")
        if isinstance(error, httpx2.HTTPError):
            return _TransientError(f"the connection failed ({kind})")
        if isinstance(error, OSError) or (type(error) is ValueError and not is_address(self.client.model)):
            return CrossmemError(f"{self.place} cannot be asked: {self.hidden(str(error))}", WHERE_TOKENS_ARE)
        self._meter(None)
        return MalformedReplyError("is not the JSON of a chat completion")

    def _refusal(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        if status in _TRANSIENT or status >= 500:
            pause = retry_after(response.headers.get("retry-after", ""))
            if pause > LONGEST_RETRY_AFTER:
                return CrossmemError(f"{self.place} asks for a pause of {pause:.0f} s.", "Run again after that.")
            self._pace.hold(pause)
            return _TransientError(f"HTTP {status}")
        try:
            said = " ".join(self.hidden(response.text).split())[:300]
        except httpx2.StreamError:
            said = ""
        return CrossmemError(f"{self.place} answered HTTP {status}: {said!r}.", _REMEDIES.get(status, _OTHER_REMEDY))


class _TransientError(Exception):
    """Worth another request."""


def retry_after(header: str) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; 0 if it is empty or makes no sense.

    Example:
        >>> retry_after("2.5"), retry_after("soon"), retry_after("Wed, 21 Oct 2015 07:28:00 GMT")
        (2.5, 0.0, 0.0)
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def is_address(model: str | None) -> bool:
    """Whether a client's model is the address of a server rather than a name on the Hub."""
    return model is not None and model.startswith(("http://", "https://"))


def _response(error: BaseException | None) -> httpx2.Response | None:
    """The HTTP response behind an error, also where huggingface_hub stumbled over the response's text."""
    while error is not None:
        if isinstance(error, HfHubHTTPError | httpx2.HTTPStatusError):
            return error.response
        error = error.__cause__ or error.__context__
    return None


def _text(output: Any) -> str:
    try:
        choice = output.choices[0]
        content, reason = choice.message.content, choice.finish_reason
    except (TypeError, AttributeError, LookupError):
        raise MalformedReplyError("is JSON but no chat completion") from None
    if not isinstance(content, str) or not content.strip():
        raise MalformedReplyError(f"holds no text (finish_reason {reprlib.repr(reason)})")
    return content
