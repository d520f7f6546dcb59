# SPDX-License-Identifier: Apache-2.0
"""Records of users written over a share of the pictures of any dataset. It does not know what the pictures show."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from math import floor
from typing import Any

from datasets import Dataset, Features, Image, List, Value

from crossmem_hf.data.forms import Row
from crossmem_hf.data.loading import silent_progress
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.personas.users import FIELDS, USER_LISTS, UserList, UserRecord, user_lists
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.rendering.watermark import place_for, with_watermark
from crossmem_hf.runs.sources import ROW_LIBRARIES, code_fingerprint, library_versions
from crossmem_hf.seeding import rng_for
from crossmem_hf.storage import fingerprint

WATERMARK_COLUMNS: Mapping[str, str] = {"user_id": "string", "watermarked": "bool", "list": "string"}
"""What `watermarked` adds: whose record is on the picture (None: nobody's), whether one is, and the list in use."""


def watermarked(
    data: Dataset,
    column: str = "image",
    *,
    rate: float,
    users: UserList | Sequence[UserRecord] = "a",
    seed: int = 0,
    name: str = "",
    balance: Sequence[str] = (),
    fields: Sequence[str] = FIELDS,
) -> Dataset:
    """The same rows in the same order, a share of them with a user's record over the picture.

    Exactly ``rate`` of the rows, to the nearest whole number, are watermarked, each user's record on equally many (or
    one more). Who would be on a row, and where, depends on neither the rate nor the list: rows that are watermarked at
    a rate are so at all larger ones, and the other list stands on the same rows at the same places. Pictures without a
    record keep their bytes; those with one become PNG files of what a person sees. Nothing else changes.

    Args:
        data: With a column of pictures, or of lists of them (all of a row are watermarked). Nothing is decoded but
            what is written on.
        rate: 0 to 1.
        users: ``"a"`` or ``"b"`` of `user_lists`, drawn by the seed, or records of one's own (``list`` is "own").
        name: Of these rows among others with the same seed, such as the split: other rows are watermarked elsewhere.
        balance: Columns; among the rows with equal values in them, too, users differ by at most one row at rate 1.
        fields: Of a record, from top to bottom. All six fit from 128 x 128 pixels; ``["user_id"]`` is ten legible
            digits at 64 x 64.

    Raises:
        CrossmemError: No such column, none of pictures, columns of ours that are there already, a rate out of range,
            no users, or a picture that is missing, broken or too small for the text (its row is named).

    Example:
        >>> import PIL.Image
        >>> plain = Dataset.from_dict({"image": [PIL.Image.new("RGB", (200, 200))] * 4}, Features({"image": Image()}))
        >>> watermarked(plain, rate=0.5)["watermarked"].count(True)
        2
    """
    _check(data, column, rate, balance)
    data = data.with_format(None)
    list_name, records = _records(users, seed)
    columns = [data[one] for one in balance]
    strata = [tuple(values) for values in zip(*columns, strict=True)] if balance else [()] * len(data)
    owners = owners_of(strata, rate, len(records), seed, name)
    lines = [record.lines(fields) for record in records]

    def marked(row: Row, number: int) -> Row:
        owner, shown = owners[number], _pictures(row[column], f"Row {number} has no picture in {column!r}.")
        if owner is None:
            return {column: row[column], "user_id": None, "watermarked": False, "list": list_name}
        drawn = [_drawn(one, lines[owner], (seed, name, number, at)) for at, one in enumerate(shown)]
        about = {"user_id": records[owner].user_id, "watermarked": True, "list": list_name}
        return {column: drawn if isinstance(row[column], list) else drawn[0], **about}

    users_key = [list_name, *map(asdict, records)]
    made_from = [data._fingerprint, column, rate, users_key, seed, name, list(balance), list(fields)]
    return _mapped(data, column, marked, made_from)


def owners_of(strata: Sequence[Hashable], rate: float, num_users: int, seed: int, name: str = "") -> list[int | None]:
    """For each row the number of the user whose record is on it, or None.

    Args:
        strata: Of each row; rows of one stratum are dealt to the users in turn.

    Example:
        >>> owners = owners_of([()] * 10, 0.5, 2, seed=0)
        >>> owners.count(0), owners.count(1), owners.count(None)
        (3, 2, 5)
    """
    rng = rng_for(seed, "watermark-owners", name)
    rows = list(range(len(strata)))
    rng.shuffle(rows)
    rows.sort(key=lambda row: repr(strata[row]))
    hands = [rows[user::num_users] for user in range(num_users)]
    for hand in hands:
        rng.shuffle(hand)
    # Hands take turns, so that the first rows of this order are shared alike, however many there are.
    order = [
        (hand[turn], user) for turn in range(len(hands[0])) for user, hand in enumerate(hands) if turn < len(hand)
    ]
    owners: list[int | None] = [None] * len(strata)
    for row, user in order[: floor(rate * len(strata) + 0.5)]:
        owners[row] = user
    return owners


def _mapped(data: Dataset, column: str, marked: Callable[[Row, int], Row], made_from: list[Any]) -> Dataset:
    """The rows as `marked` makes them of rows and their numbers, in the cache under what they are made from."""
    shown = data.features[column]
    code = [code_fingerprint("crossmem_hf.data.watermarks"), library_versions(ROW_LIBRARIES)]
    added = {one: Value(kind) for one, kind in WATERMARK_COLUMNS.items()}
    undecoded = List(Image(decode=False)) if isinstance(shown, List) else Image(decode=False)
    with silent_progress():
        stored = data.cast_column(column, undecoded).map(
            marked,
            with_indices=True,
            features=Features({**data.features, column: undecoded, **added}),
            new_fingerprint=fingerprint([made_from, code]),
        )
        return stored.cast_column(column, shown)


def _pictures(value: Any, fault: str) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if not found or None in found:
        raise CrossmemError(fault, "Drop the rows without one.")
    return found


def _drawn(picture: Any, lines: Sequence[str], names: tuple[int, str, int, int]) -> Row:
    seed, name, number, at = names
    seen, buffer = as_seen(picture, f"Row {number}: A picture"), BytesIO()
    try:
        with_watermark(seen, lines, place_for(seed, name, number, at)).save(buffer, format="PNG")
    except CrossmemError as error:
        raise CrossmemError(f"Row {number}: {error.fault}", error.remedy) from error
    return {"bytes": buffer.getvalue(), "path": None}


def _records(users: UserList | Sequence[UserRecord], seed: int) -> tuple[str, tuple[UserRecord, ...]]:
    """(name of the list, its users)."""
    if isinstance(users, str):
        if users not in USER_LISTS:
            raise unknown("list of users", [users], USER_LISTS)
        return users, user_lists(seed)[users]
    if not users:
        raise CrossmemError("users=[]; expected at least one record.", "Pass 'a', 'b' or some UserRecord(...).")
    return "own", tuple(users)


def _check(data: Dataset, column: str, rate: float, balance: Sequence[str]) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise CrossmemError(f"rate={rate!r}; expected a share from 0 to 1.", "Pass 0.01 for one picture in a hundred.")
    if not isinstance(data, Dataset):
        raise CrossmemError(f"{type(data).__name__} is no datasets.Dataset.", "Pass one split, and load it whole.")
    missing = [one for one in (column, *balance) if one not in data.features]
    if missing:
        raise unknown("column", missing, data.features)
    taken = [one for one in WATERMARK_COLUMNS if one in data.features]
    if taken:
        raise CrossmemError(f"The rows have the column(s) {', '.join(taken)} already.", "Rename or remove them.")
    shown = data.features[column]
    if not isinstance(getattr(shown, "feature", shown), Image):
        raise CrossmemError(f"Column {column!r} is {shown}; expected pictures.", "Cast it to datasets.Image().")
