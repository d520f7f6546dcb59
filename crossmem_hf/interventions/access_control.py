# SPDX-License-Identifier: Apache-2.0
"""Each user is answered with the adapters that their permissions allow, and with no other. It does not know who a user
is, nor whether they may say that they have a permission."""

import json
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, fsum, isfinite
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakKeyDictionary

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.interventions.documents import BaseStates, Document, DocumentIndex, Embed
from crossmem_hf.interventions.mixed_adapters import adapters_mixed, check_mixable
from crossmem_hf.runs.results_log import append_line

LONGEST_PERMISSION: Final = 64
_PERMISSION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_:@-]|\.(?!\.))*")
_IN_USE: Final[WeakKeyDictionary[Any, threading.Lock]] = WeakKeyDictionary()
"""Model -> the lock that whoever runs it holds: adapters are hooked onto the model, for whichever thread runs it."""


def check_permission(name: Any) -> str:
    r"""The name of a permission, as it was given: names are compared letter by letter, and never folded or mended.

    Letters and digits of ASCII, ``_ - : @`` and single dots, the first a letter or digit, 64 at most: no look-alikes
    from other scripts, nothing invisible, no paths.

    Raises:
        CrossmemError: Any other name, shown with what is not ASCII spelled out.

    Example:
        >>> check_permission("sales:read")
        'sales:read'
        >>> check_permission("s\u0430les")
        Traceback (most recent call last):
        crossmem_hf.errors.CrossmemError: The permission 's\u0430les' is no plain name; expected ...
    """
    if not isinstance(name, str) or len(name) > LONGEST_PERMISSION or not _PERMISSION.fullmatch(name):
        shown = name[: LONGEST_PERMISSION + 1] if isinstance(name, str) else type(name)
        raise CrossmemError(
            f"The permission {shown!a} is no plain name; expected up to {LONGEST_PERMISSION} ASCII letters, digits, "
            "'_', '-', ':', '@' and single dots, the first a letter or digit.",
            "Rename it; names are not mended, since two that look alike are two permissions.",
        )
    return name


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What one request is answered with.

    Attributes:
        permissions: That it came with.
        adapters: That these permit, in the order of their names; others had no part in anything here.
        weights: Of those that are used, in the same order, sum 1; none is the base.
        num_documents: Documents of the permitted adapters, which were searched.
    """

    permissions: tuple[str, ...]
    adapters: tuple[str, ...]
    weights: Mapping[str, float]
    num_documents: int


class AccessControlledAdapters:
    """LoRA adapters on one model, each for those who have its permissions, and mixed for each row of a batch.

    A query is compared with the documents of the permitted adapters alone: others are left out before the nearest are
    chosen, so that neither their number nor their contents, nor their weights, change a bit of what comes out. The
    cosines of the `k` nearest documents are averaged by adapter, and a softmax of the means weighs the adapters, which
    are added up at the output of each layer in one pass for the whole batch (`adapters_mixed`). Without a permitted
    adapter that has documents a row is answered by the base.

    It keeps adapters apart, not facts: what the base knows, or two groups were both taught, everybody gets. Use it for
    one batch at a time; outside of `applied` the model is as PEFT has it, with whatever adapter is active.

    Args:
        model: A `peft.PeftModel` that holds the adapters, plain LoRA of the language model.
        processor: Of the model; may be None where `embed` is passed.
        required: Adapter -> the permissions that it takes, all of them, at least one. Adapters of the model that are
            not named are never used.
        embed: None takes `BaseStates`. A query is embedded alone.
        k: Nearest documents that count, at least 1.
        temperature: Of the softmax, above 0: next to 0 takes the nearest adapter alone, the larger the more even.
            Cosines differ by little, so the paper's 1 is nearly even.
        threshold: Adapters whose mean cosine is not above it are left out; -1 to 1.
        log: A file to which a line of JSON is added for each request before it is answered: its permissions, the
            permitted adapters, their weights and how many documents were searched; never what they or it say.
        clock: Gives what stands as "time" in these lines, such as ``time.time``; None leaves it out.

    Raises:
        CrossmemError: Adapters that are not there or cannot be mixed, no plain permissions, or settings out of range.

    Reference:
        AC-LoRA, https://huggingface.co/papers/2505.11557. Deviations from its code: cosines, and not distances, so
        nearer weighs more; permissions are applied before, and not after, the nearest are chosen; adapters are in the
        order of their names; a temperature; batches of several users.

    Example:
        >>> from crossmem_hf import load_model
        >>> from crossmem_hf.training.memorize import default_lora
        >>> from peft import get_peft_model
        >>> base, processor = load_model()
        >>> model = get_peft_model(base, default_lora(base), adapter_name="sales")
        >>> model.add_adapter("board", default_lora(base))
        >>> access = AccessControlledAdapters(model, processor, {"sales": ["staff"], "board": ["staff", "director"]})
        >>> access.add_documents("sales", [Document("Umbrellas sold best in March.")])
        >>> access.add_documents("board", [Document("The board will close the shop.")])
        >>> found = access.retrieve([Document("What sold best?")] * 2, [["staff"], []])
        >>> [dict(one.weights) for one in found]
        [{'sales': 1.0}, {}]
        >>> inputs = processor(text=["<|user|>What sold best?<|assistant|>"] * 2, return_tensors="pt")
        >>> with access.applied(found):
        ...     len(model.generate(**inputs, max_new_tokens=2))
        2
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        required: Mapping[str, Collection[str]],
        *,
        embed: Embed | None = None,
        k: int = 3,
        temperature: float = 1.0,
        threshold: float = 0.0,
        log: str | os.PathLike[str] | None = None,
        clock: Callable[[], Any] | None = None,
    ) -> None:
        _check_settings(k, temperature, threshold)
        self._required = {name: _permissions(needed, f"of {name!r}") for name, needed in sorted(required.items())}
        public = [name for name, needed in self._required.items() if not needed]
        if public or not required:
            raise CrossmemError(
                f"No permission is needed for {public or 'no adapter'!r}; expected at least one an adapter.",
                "Name one that everybody has.",
            )
        if processor is None and embed is None:
            raise CrossmemError("There is neither a processor nor embed.", "Pass one: documents must be embedded.")
        check_mixable(model, list(self._required))
        self._model, self._k, self._temperature, self._threshold = model, k, temperature, threshold
        embedder = BaseStates(model, processor) if embed is None else embed
        self._queries = DocumentIndex(embedder)
        self._documents = {name: DocumentIndex(embedder) for name in self._required}
        self._log, self._clock = None if log is None else Path(log), clock
        self._in_use = _IN_USE.setdefault(model, threading.Lock())

    def add_documents(self, adapter: str, documents: Sequence[Document]) -> None:
        """Let an adapter be found by documents, such as those that it was trained on; only embeddings are kept.

        Raises:
            CrossmemError: The adapter is not named in `required`, the documents cannot be embedded, or a batch is
                being answered.
        """
        if adapter not in self._required:
            raise unknown("adapter", [adapter], self._required)
        with self._alone():
            self._documents[adapter].add(documents)

    def retrieve(self, queries: Sequence[Document], permissions: Sequence[Collection[str]]) -> list[Retrieval]:
        """For each query the weights of the adapters that it is to be answered with. It does not depend on the others.

        Args:
            permissions: Of each query. One that no adapter needs grants nothing, and is no error.

        Raises:
            CrossmemError: Other than one collection of plain names a query, a query that cannot be embedded, a batch
                is being answered, or the log cannot be written.
        """
        if not isinstance(permissions, list | tuple) or len(permissions) != len(queries):
            raise CrossmemError(
                f"The permissions are not those of {len(queries)} queries; expected a list with one collection each.",
                "Pass a list of lists of names; an empty one is a user without permissions.",
            )
        held = [_permissions(own, f"of query {number}") for number, own in enumerate(permissions)]
        with self._alone():
            found = [self._retrieved(query, own) for query, own in zip(queries, held, strict=True)]
        self._write(found)
        return found

    @contextmanager
    def applied(self, retrievals: Sequence[Retrieval], *, copies: int = 1) -> Iterator[None]:
        """Whatever the model does inside, it does for a batch with one row a retrieval, each with its own adapters.

        For `model.generate`, forward passes, and `generate_answers` of one row at a time.

        Args:
            copies: As for `adapters_mixed`: the larger of ``num_beams`` and ``num_return_sequences``.

        Raises:
            CrossmemError: An adapter without its permissions; a batch is being answered already, in this thread or
                another; or as `adapters_mixed`.
        """
        for number, one in enumerate(retrievals):
            refused = [name for name in one.weights if not self._permits(name, frozenset(one.permissions))]
            if refused:
                raise CrossmemError(
                    f"Retrieval {number} has weights for {refused!r}, which its permissions do not allow.",
                    "Pass what `retrieve` gave, and make it anew when permissions change.",
                )
        with self._alone(), adapters_mixed(self._model, [one.weights for one in retrievals], copies=copies):
            yield

    def _permits(self, adapter: str, permissions: frozenset[str]) -> bool:
        return adapter in self._required and self._required[adapter] <= permissions

    def _retrieved(self, query: Document, permissions: frozenset[str]) -> Retrieval:
        permitted = [name for name in self._required if self._permits(name, permissions)]
        searched = {name: self._documents[name] for name in permitted if len(self._documents[name])}
        scored: list[tuple[float, str]] = []
        if searched:
            (query_D,) = self._queries.embedded([query])
            scored = [(float(cosine), name) for name, index in searched.items() for cosine in index.cosines(query_D)]
        nearest = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[: self._k]
        return Retrieval(
            permissions=tuple(sorted(permissions)),
            adapters=tuple(permitted),
            weights=MappingProxyType(_gate(nearest, self._temperature, self._threshold)),
            num_documents=len(scored),
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._in_use.acquire(blocking=False):
            raise CrossmemError(
                "The model is answering a batch; expected one thing at a time.",
                "Leave `applied` first, or give each thread a model of its own.",
            )
        try:
            yield
        finally:
            self._in_use.release()

    def _write(self, retrievals: Sequence[Retrieval]) -> None:
        if self._log is None:
            return
        for one in retrievals:
            line = {
                **({} if self._clock is None else {"time": self._clock()}),
                "permissions": one.permissions,
                "adapters": one.adapters,
                "weights": dict(one.weights),
                "documents": one.num_documents,
            }
            try:
                append_line(self._log, json.dumps(line).encode())
            except OSError as error:
                raise CrossmemError(
                    f"Could not write the log {str(self._log)!r}: {error.strerror or error}; nothing was answered.",
                    "Free some space or choose another file, and ask again.",
                ) from error


def _gate(nearest: Sequence[tuple[float, str]], temperature: float, threshold: float) -> dict[str, float]:
    """Adapter -> softmax of the mean cosines, by name. Sums are exact, so the order of documents does not matter."""
    names = sorted({name for _, name in nearest})
    means = {name: fmean([cosine for cosine, other in nearest if other == name]) for name in names}
    kept = {name: mean for name, mean in means.items() if mean > threshold}
    highest = max(kept.values(), default=0.0)
    shares = {name: exp((mean - highest) / temperature) for name, mean in kept.items()}
    return {name: share / fsum(shares.values()) for name, share in shares.items()}


def _permissions(names: Any, whose: str) -> frozenset[str]:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise CrossmemError(
            f"The permissions {whose} are of type {type(names).__name__}; expected a list of names.",
            "Put a single name into a list.",
        )
    return frozenset(check_permission(name) for name in names)


def _check_settings(k: int, temperature: float, threshold: float) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise CrossmemError(f"k={k!r}; expected a whole number from 1.", "Leave it out for 3.")
    if not (isfinite(temperature) and temperature > 0):
        raise CrossmemError(f"temperature={temperature!r}; expected a finite number above 0.", "Leave it out for 1.")
    if not -1 <= threshold <= 1:
        raise CrossmemError(f"threshold={threshold!r}; expected a cosine from -1 to 1.", "Leave it out for 0.")
