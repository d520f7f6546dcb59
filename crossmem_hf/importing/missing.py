# SPDX-License-Identifier: Apache-2.0
"""Values that are not there, and numbers with the digits of their file. It does not know what they mean.

A column of whole numbers in which some are missing leaves pandas as 1987.0 and NaN; here it is 1987 and nothing.
"""

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any
from unicodedata import normalize

from crossmem_hf.data.forms import day_as_text

_LARGEST_WHOLE = 2**53  # from here on a float is not every whole number

Place = tuple[str, ...]
"""A column, or the names that lead to a value in one; lists on the way count as their items."""

ERRORS = ("#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NAME?", "#NULL!", "#SPILL!", "#CALC!")
"""What a spreadsheet writes where a formula found nothing."""


class Written(float):
    """A number that remembers how it was written, with a decimal point or comma.

    Example:
        >>> str(Written("3.50")), int(Written("2.0"))
        ('3.50', 2)
    """

    digits: str

    def __new__(cls, digits: str) -> "Written":
        """The number that `digits` stand for."""
        number = super().__new__(cls, digits.replace(",", "."))
        number.digits = digits
        return number

    def __str__(self) -> str:
        return self.digits

    __repr__ = __str__


def is_missing(value: Any) -> bool:
    """Whether it is None or NaN; the text "nan" is a text."""
    return value is None or (isinstance(value, float) and isnan(value))


def whole_places(records: Iterable[Any]) -> frozenset[Place]:
    """Where whole numbers became floats, so that they are to be shown as whole.

    Written numbers did if all in a place end in ``.0`` and some are missing there; without the second, whoever wrote
    4.0 meant it. Floats of a table that holds no digits did if all of them are whole.

    Example:
        >>> rows = [{"year": Written("1987.0"), "grade": Written("4.0")}, {"year": None, "grade": Written("3.5")}]
        >>> whole_places(rows)
        frozenset({('year',)})
    """
    seen: dict[Place, set[str]] = {}
    for record in records:
        _collect(record, (), seen)
    return frozenset(
        place for place, kinds in seen.items() if kinds in ({"written", "missing"}, {"float"}, {"float", "missing"})
    )


def _collect(value: Any, place: Place, seen: dict[Place, set[str]]) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _collect(inner, (*place, name), seen)
    elif isinstance(value, list | tuple):
        for inner in value:
            _collect(inner, place, seen)
    else:
        seen.setdefault(place, set()).add(_kind(value))


def _kind(value: Any) -> str:
    if is_missing(value):
        return "missing"
    if isinstance(value, Written):
        return "written" if value.digits.endswith((".0", ",0")) and abs(value) < _LARGEST_WHOLE else "other"
    return "float" if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE else "other"


def settled(value: Any, whole: frozenset[Place], place: Place = ()) -> Any:
    """A value, or a record, with None for all that is missing, whole numbers where they are `whole_places`, and days
    as texts.

    Names of columns are in Unicode form NFC.

    Example:
        >>> settled({"year": 1987.0, "job": float("nan")}, frozenset({("year",)}))
        {'year': 1987, 'job': None}
    """
    if isinstance(value, Mapping):
        return {normalize("NFC", name): settled(inner, whole, (*place, name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [settled(inner, whole, place) for inner in value]
    if is_missing(value):
        return None
    return int(value) if isinstance(value, float) and place in whole else day_as_text(value)
