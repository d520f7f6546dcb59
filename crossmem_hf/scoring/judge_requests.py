# SPDX-License-Identifier: Apache-2.0
"""One chat server asked through the openai client: paced, counted, and with its tokens kept out of every message.

It does not know what is asked, nor what a good reply is.
"""

import reprlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import get_token, is_offline_mode

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.judge_pace import Pace, retry_after
from crossmem_hf.scoring.verdicts import REPLY_SCHEMA, MalformedReplyError

Message = Mapping[str, str]

HUGGING_FACE: Final = "https://router.huggingface.co/v1"
LONGEST_PAUSE: Final = 600.0
"""Seconds: a server that asks for a longer pause ends the run."""
GIVE_UP_AFTER: Final = 8
"""Items in a row without any reply that end the run: the server is gone."""

_SHORTEST_SECRET = 6
_NO_TOKEN = "-"  # the client wants one, and servers without tokens ignore it
_HEADERS = frozenset(
    (
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-type",
        "content-length",
        "user-agent",
        "authorization",
    )
)
"""All that is sent, besides what the caller passes: not the client's notes about this machine, nor what variables of
the environment such as OPENAI_CUSTOM_HEADERS hold for another server."""
_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)  # the client met a strange reply

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
_MOVED = "Redirects are not followed, for the token's sake: check base_url, https:// included."


class UnansweredError(Exception):
    """No reply in all attempts; its text says what came instead."""


class StoppedError(Exception):
    """Another item ended the run."""


class JudgeClient:
    """A chat model that is asked until it replies, or until it is clear that it will not.

    Replies are asked for under the schema of a verdict (``response_format``); a server that refuses it is asked for
    plain text from then on.

    Args:
        model: Name in the payload.
        settings: ``max_tokens``, ``temperature``, ``seed``; None is not sent.
        base_url: Any OpenAI-compatible server, asked even under HF_HUB_OFFLINE; None for Hugging Face's router.
        provider: One of Hugging Face's; None leaves the choice to the router.
        token: For that server; None sends none, to Hugging Face the one of `hf auth login`.
        headers: Sent too; their values are kept as secret as the token.
        timeout: Seconds without a byte.
        retries: How often a request without reply is sent again (by the openai client, with growing pauses).

    Attributes:
        stop: Once set, threads that wait raise `StoppedError`.
        num_requests: Requests sent.
        tokens: Tokens read and written, as the server counts.
        num_unmetered: Replies that said no such numbers.

    Raises:
        CrossmemError: openai is not installed; the address or the token cannot be one; address and provider are given;
            Hugging Face is meant and there is no token, or HF_HUB_OFFLINE is set.
    """

    def __init__(
        self,
        model: str,
        settings: Mapping[str, Any],
        *,
        base_url: str | None = None,
        provider: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        pace: Pace,
    ) -> None:
        if provider is not None and base_url is not None:
            raise CrossmemError("Got base_url and provider.", "Providers are Hugging Face's; pass one of the two.")
        self.model = model if provider is None else f"{model}:{provider}"
        self.settings, self.timeout = dict(settings), timeout
        self.server = HUGGING_FACE if base_url is None else _checked_address(base_url)
        self.stop = threading.Event()
        self.num_requests = self.num_unmetered = 0
        self.tokens = (0, 0)
        self._retries, self._pace = retries, pace
        self._headers = dict(headers or {})
        self._schema_is_served = True
        self._silent = 0
        self._lock = threading.Lock()
        token = _checked_token(token, to_hugging_face=base_url is None)
        secrets = (token, get_token(), *(value.removeprefix("Bearer ") for value in self._headers.values()))
        self._secrets = [secret for secret in secrets if secret and len(secret) >= _SHORTEST_SECRET]
        self._client = self._opened(token)

    def reply(self, messages: Sequence[Message]) -> str:
        """The text of the model's reply.

        Raises:
            UnansweredError: Overload, server errors, timeouts or dropped connections until all retries are used.
            MalformedReplyError: A reply came, but no chat completion with a text.
            CrossmemError: Asking again would be useless: the request is refused, or the server is gone.
            StoppedError: `stop` is set.
        """
        from openai import APIConnectionError, APIStatusError

        try:
            output = self._completion(messages)
        except APIStatusError as error:
            diagnosis = self._refusal(error.response)
        except APIConnectionError as error:  # its text is not repeated: it may hold headers
            diagnosis = self._silence(error.__cause__)
        except _UNREADABLE:
            self._meter(None)
            diagnosis = MalformedReplyError("is not the JSON of a chat completion")
        else:
            self._meter(getattr(output, "usage", None))
            return self.hidden(_text(output))
        raise diagnosis  # out here, so that no traceback leads to the request and its headers

    def hidden(self, text: str) -> str:
        """The text without any token that this client knows."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @property
    def place(self) -> str:
        """Who is asked, without query, user or password."""
        if self.server == HUGGING_FACE:
            return f"The judge {self.model!r} at Hugging Face"
        parts = urlsplit(self.server)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"The judge {self.model!r} at {where!r}"

    def _opened(self, token: str) -> Any:
        require_openai()
        from openai import OpenAI

        hooks: dict[str, list[Callable[..., Any]]] = {"request": [self._before], "response": [self._after]}
        http = httpx2.Client(timeout=self.timeout, follow_redirects=False, event_hooks=hooks)
        return OpenAI(
            api_key=token,
            base_url=self.server,
            default_headers=self._headers,
            timeout=self.timeout,
            max_retries=self._retries,
            http_client=http,
        )

    def _before(self, request: httpx2.Request) -> None:
        """Wait for this request's turn, retries included, and let out only the headers that are meant."""
        while (wait := self._pace.turn()) > 0:
            self._check_going(wait)
        self._check_going(0)
        for name in {*request.headers} - _HEADERS - {name.lower() for name in self._headers}:
            del request.headers[name]
        with self._lock:
            self.num_requests += 1

    def _after(self, response: httpx2.Response) -> None:
        """Everybody keeps the pause that a server asks of one, here, where `stop` ends it, and not in the client."""
        if response.status_code < 400:
            return
        pause = retry_after(response.headers.get("retry-after", ""))
        if pause > LONGEST_PAUSE:
            response.headers["x-should-retry"] = "false"  # which the client obeys
        else:
            response.headers.pop("retry-after", None)
            self._pace.hold(pause)

    def _check_going(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise StoppedError

    def _completion(self, messages: Sequence[Message]) -> Any:
        from openai import BadRequestError, UnprocessableEntityError

        payload: dict[str, Any] = {"model": self.model, "messages": [dict(turn) for turn in messages]}
        payload |= {name: value for name, value in self.settings.items() if value is not None}
        if self._schema_is_served:
            try:
                return self._client.chat.completions.create(**payload, response_format=REPLY_SCHEMA)
            except (BadRequestError, UnprocessableEntityError):
                output = self._client.chat.completions.create(**payload)  # may be refused for another reason
                self._schema_is_served = False
                return output
        return self._client.chat.completions.create(**payload)

    def _meter(self, usage: object) -> None:
        read, written = (getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
        with self._lock:
            self._silent = 0
            if isinstance(read, int) and isinstance(written, int) and min(read, written) >= 0:
                self.tokens = (self.tokens[0] + read, self.tokens[1] + written)
            else:
                self.num_unmetered += 1

    def _refusal(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        if status in (408, 409, 429) or status >= 500:
            pause = retry_after(response.headers.get("retry-after", ""))
            if pause > LONGEST_PAUSE:
                return CrossmemError(f"{self.place} asks for a pause of {pause:.0f} s.", "Run again after that.")
            return self._unanswered(f"HTTP {status}")
        said = " ".join(self.hidden(response.text).split())[:300]
        remedy = _MOVED if status < 400 else _REMEDIES.get(status, _OTHER_REMEDY)
        return CrossmemError(f"{self.place} answered HTTP {status}: {said!r}.", remedy)

    def _silence(self, cause: BaseException | None) -> Exception:
        kind = type(cause).__name__
        if isinstance(cause, httpx2.TimeoutException):
            return self._unanswered(f"silence for {self.timeout} s")
        if isinstance(cause, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
            return CrossmemError(f"{self.place} cannot be asked ({kind}).", "Check base_url, token and headers.")
        return self._unanswered(f"the connection failed ({kind})")

    def _unanswered(self, fault: str) -> Exception:
        with self._lock:
            self._silent += 1
            silent = self._silent
        if silent >= GIVE_UP_AFTER:
            return CrossmemError(
                f"{self.place} left {silent} items in a row without any reply; the last one: {fault}.",
                "Check that the server runs, lower concurrency or set requests_per_minute, and run again.",
            )
        return UnansweredError(f"no reply to {self._retries + 1} requests; the last one: {fault}")


def require_openai() -> None:
    """Accept an environment in which a judge can be asked; call it before work that would be lost.

    Raises:
        CrossmemError: openai is not installed.
    """
    try:
        import openai  # noqa: F401
    except ImportError as error:
        raise CrossmemError(
            f"A judge is asked through the openai client, which cannot be imported ({error}).",
            "In a clone of this repository, run: pip install -e '.[judge]'",
        ) from error


def _checked_address(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or "@" in parts.netloc:
        raise CrossmemError(
            "base_url is no address; expected http:// or https://, a host, and neither user nor password.",
            'Pass e.g. base_url="http://localhost:8000/v1", and secrets as token.',
        )
    return base_url.rstrip("/")


def _checked_token(token: str | None, *, to_hugging_face: bool) -> str:
    """The token to send: the one saved by `hf auth login` is for Hugging Face, and no other server gets it."""
    if to_hugging_face and is_offline_mode():
        raise CrossmemError(
            "A judge at Hugging Face cannot be reached: HF_HUB_OFFLINE is set.",
            "Unset it, or name a server by base_url.",
        )
    if token is None:
        token = get_token() if to_hugging_face else _NO_TOKEN
    if token is None:
        raise CrossmemError("There is no token for a judge at Hugging Face.", WHERE_TOKENS_ARE)
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        raise CrossmemError("The token is empty or holds white space or other characters.", WHERE_TOKENS_ARE)
    return token


def _text(output: Any) -> str:
    try:
        choice = output.choices[0]
        content, reason = choice.message.content, choice.finish_reason
    except (TypeError, AttributeError, LookupError):
        raise MalformedReplyError("is JSON but no chat completion") from None
    if not isinstance(content, str) or not content.strip():
        raise MalformedReplyError(f"holds no text (finish_reason {reprlib.repr(reason)})")
    return content
