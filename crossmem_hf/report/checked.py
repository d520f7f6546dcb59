# SPDX-License-Identifier: Apache-2.0
"""Dataclasses that check their field types, and their way to JSON and back. It does not know what fields mean."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from crossmem_hf.errors import CrossmemError

T = TypeVar("T")
_WORDS = {float: "a finite number", int: "an integer", NoneType: "null", str: "a string", bool: "true or false"}
_kinds: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def fits(value: Any, kind: Any) -> bool:
    """Whether `value` is of type `kind`; a number must be finite, and a bool is not a number."""
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return any(fits(value, option) for option in get_args(kind))
    if kind in (int, float):
        right_type = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        return right_type and math.isfinite(value)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(fits(item, get_args(kind)[0]) for item in value)
    if get_origin(kind) is Mapping:
        key, item = get_args(kind)
        return isinstance(value, Mapping) and all(fits(k, key) and fits(v, item) for k, v in value.items())
    return isinstance(value, kind)


def _expected(kind: Any) -> str:
    """The type in words, for an error message."""
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if isinstance(kind, UnionType):
        return " or ".join(map(_expected, get_args(kind)))
    if get_origin(kind) is tuple:
        return f"a tuple of {_expected(get_args(kind)[0])}"
    if get_origin(kind) is Mapping:
        return "a mapping with string keys"
    return _WORDS.get(kind) or str(getattr(kind, "__name__", kind))


class Checked:
    """Base of a frozen dataclass whose fields must have the annotated types.

    Raises:
        CrossmemError: On construction, when a field has another type; class and field are named.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            if not fits(value, kind):
                shown = repr(value)
                raise CrossmemError(
                    f"{type(self).__name__}.{name} is {shown[:80]}{'...' * (len(shown) > 80)}; "
                    f"expected {_expected(kind)}.",
                    "Correct that field.",
                )


def from_json(cls: type[T], raw: Any) -> T:
    """A `cls` from parsed JSON; nested dataclasses in tuples are built too.

    Raises:
        CrossmemError: `raw` is not an object, misses a field or has one too many, or a field has the wrong type.
    """
    name = cls.__name__
    if not isinstance(raw, dict):
        raise CrossmemError(f"{name} is {type(raw).__name__}; expected a JSON object.", "Correct that entry.")
    kinds = _kinds(cls)
    if raw.keys() != kinds.keys():
        difference = ", ".join(sorted(raw.keys() ^ kinds.keys()))
        raise CrossmemError(f"{name} has unexpected or missing fields: {difference}.", "Correct that entry.")
    return cls(**{key: _decoded(kinds[key], value) for key, value in raw.items()})


def _decoded(kind: Any, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return from_json(kind, value)
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_decoded(get_args(kind)[0], item) for item in value)
    return value


def to_json(item: Any) -> str:
    """A `Checked` dataclass as JSON, one list entry a line; equal objects give equal text.

    Raises:
        CrossmemError: A mapping holds something that JSON cannot say.
    """
    try:
        lines = [f"{json.dumps(spec.name)}: {_encoded(getattr(item, spec.name))}" for spec in fields(item)]
    except (TypeError, ValueError) as error:
        raise CrossmemError(
            f"{type(item).__name__} holds a value that JSON cannot say: {error}.",
            "Use strings, finite numbers, booleans, lists and mappings only.",
        ) from error
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _encoded(value: Any) -> str:
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    if isinstance(plain, tuple) and any(map(is_dataclass, plain)):
        return "[\n" + ",\n".join(f"  {_encoded(entry)}" for entry in plain) + "\n]"
    is_user_mapping = isinstance(value, Mapping)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=is_user_mapping)


def read_json(cls: type[T], path: str | os.PathLike[str], *, newest: int, kind: str, remedy: str) -> T:
    """The `cls` that is at `path` as JSON.

    Args:
        newest: Largest ``schema_version`` that is understood.
        kind: What the file should be, for the error: ``"run record"``.
        remedy: What to do if it is not.

    Raises:
        CrossmemError: There is no such file, or it is not JSON, not a `cls`, or of a newer version.
    """
    shown = repr(str(path))
    try:
        raw = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise CrossmemError(f"Could not read {shown}: {error.strerror or error}.", remedy) from error
    except ValueError as error:
        raise CrossmemError(f"{shown} is not JSON, perhaps cut short: {error}.", remedy) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(version, int):
        raise CrossmemError(f"{shown} is JSON but not a {kind}: it has no schema_version.", remedy)
    if version > newest:
        raise CrossmemError(
            f"{shown} has schema version {version}; this crossmem_hf reads up to {newest}.", "Upgrade crossmem_hf."
        )
    try:
        return from_json(cls, raw)
    except CrossmemError as error:
        raise CrossmemError(f"{shown} is not a valid {kind}. {error.fault}", remedy) from error
