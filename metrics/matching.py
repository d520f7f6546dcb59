# SPDX-License-Identifier: Apache-2.0
"""Whether an answer says the truth: the form in which both are compared, in any script, and the rule for rows of them.

What is dropped is listed here and in the cards; everything else counts. It does not know what produced the answers.
"""

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal, get_args
from unicodedata import category, decimal, decomposition, normalize

import numpy as np
from numpy.typing import NDArray

Match = Literal["exact", "contains"]
Names = str | Sequence[str]

_SAME_SIGN = str.maketrans(
    {
        **dict.fromkeys("`\u00b4\u2018\u2019\u201a\u201b\u2032\u02b9\u02bb\u02bc\u02bd\u055a\u05f3", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u05f4", '"'),
        **dict.fromkeys("\u2044\u2215", "/"),
        **{"\u066a": "%", "\u066b": ".", "\u066c": ","},  # of Arabic numbers
        **dict.fromkeys("\u0640\u2122\u2120\u00ae"),  # the Arabic letter stretcher, trade marks
        **dict.fromkeys(map(chr, range(0xFE00, 0xFE10))),  # choose between looks of one character
    }
)
"""Characters that differ in looks alone -> the one they are taken for, or nothing."""

_SMALL = ("<super>", "<fraction>")  # m2 is not m², 12 is not ½
_SPOKEN_SIGNS = frozenset("#%&@*/\\§¶†‡‰‱")  # punctuation to Unicode, part of a value to readers
_MONEY = "$¢£¤¥֏؋৲৳฿₠-⃀"
_APART = re.compile(
    rf"(?<=\d) (?=[%‰‱°]|[{_MONEY}](?![\d.]))|(?<=°) (?=[cfk]\b)|(?<=[{_MONEY}]) (?=[\d.])"
)  # 5 % is 5%
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d])[/&@\\|=](?=[^\W\d])")
_DATE = re.compile(r"(?<!\S)(\d+)([./:])(\d+)\2(\d+)(?!\S)")
_LAST_APOSTROPHE = re.compile(r"(?<=\S)'(?=[^\s']+(?!\S))")
_UNSPACED = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua000-\ua4cf\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # Han, Kana, Bopomofo, Yi
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff\uaa60-\uaa7f]"
)  # and Thai, Lao, Myanmar, Khmer, Tai, Balinese, Javanese
_HANGUL = re.compile("[\uac00-\ud7a3]")


def folded(text: str) -> str:
    """A text without what only changes its looks: case, width, ligatures, presentation forms, invisible characters.

    Canonically equal spellings become one, decimal digits of all scripts those of ASCII, and i with a dot i. Raised
    signs and fractions stay what they are, and so do accents, vowel signs and all other combining marks.

    Example:
        >>> folded("Ａnn ﬁt, ٣ m²")
        'ann fit, 3 m²'
    """
    if text.isascii():
        return text.lower().replace("`", "'")
    plain = _compatible(_compatible("".join(map(_unpacked, text)).translate(_SAME_SIGN)).casefold())
    kept = (sign for sign in plain.translate(_SAME_SIGN).replace("i\u0307", "i") if category(sign) != "Cf")
    return "".join(sign if sign.isascii() else _digit(sign) for sign in kept)


def _compatible(text: str) -> str:
    """Form NFKC, but for raised signs and fractions."""
    runs = groupby(text, lambda sign: decomposition(sign).startswith(_SMALL))
    return normalize("NFC", "".join("".join(run) if small else normalize("NFKC", "".join(run)) for small, run in runs))


def _unpacked(sign: str) -> str:
    """Units in one character as several: the first of its steps alone, as the next would lower the ² of ㎡."""
    kind, _, codes = decomposition(sign).partition(" ")
    return "".join(chr(int(code, 16)) for code in codes.split()) if kind == "<square>" else sign


def _digit(sign: str) -> str:
    value = decimal(sign, None)
    return sign if value is None else str(value)


@lru_cache(maxsize=65536)  # refusals and truths come again with every row
def normalize_name(text: str) -> str:
    r"""The form in which names and other truths are compared: `folded`, single spaces, no punctuation without meaning.

    Dropped are apostrophes in words (O'Neil = ONeil), quotes and stars around words, brackets, dashes between words
    (Mary-Jane = Mary Jane), and sentence punctuation of any script unless it stands between two digits (1.5 is neither
    1,5 nor 15). What is part of a value stays: a minus before a number and after a word (-5, A-), + # % & @ / and
    all symbols (C++, C#, 5 %, $5, 20 °C, primes after a number). Accents count (José is not Jose).

    Example:
        >>> normalize_name("  Dr. Mary-Jane O'NEIL.\n"), normalize_name("(A-), C++!"), normalize_name("«−1.5 %»")
        ('dr mary jane oneil', 'a- c++', '-1.5%')
    """
    return _normal(folded(text))


def _normal(signs: str) -> str:
    alone = signs.strip()
    if alone in ("*", "#") or (len(alone) == 1 and _is_dash(alone)):
        return "-" if _is_dash(alone) else alone
    opened: set[str] = set()
    kept: list[str] = []
    for place, sign in enumerate(signs):
        before, after = signs[place - 1] if place else " ", signs[place + 1 : place + 2] or " "
        if _is_word(sign):
            kept.append(sign)
        elif sign in "'\"*":
            kept.append(_quote(sign, before, after, opened))
        elif _is_dash(sign):
            kept.append(_dash(sign, before, after, signs[place + 2 : place + 3] or " "))
        elif sign == "#":
            kept.append(sign if _is_word(before) or _is_word(after) else " ")  # else a headline's
        elif sign in _SPOKEN_SIGNS or category(sign)[0] == "S":
            kept.append(sign)
        else:
            kept.append(sign if _is_in_number(sign, before, after) else " ")
    return _APART.sub("", " ".join("".join(kept).split()))


def _is_word(sign: str) -> bool:
    """Whether it is a letter, a number or a mark on one."""
    return category(sign)[0] in "LNM"


def _is_dash(sign: str) -> bool:
    return category(sign) == "Pd" or sign == "\u2212"


def _quote(sign: str, before: str, after: str, opened: set[str]) -> str:
    """What is left of a quotation mark, apostrophe or star; `opened` are those that wait for their second half."""
    nothing = " " if sign == '"' else ""
    if not _is_word(before) and not after.isspace() and category(before)[0] != "S":
        opened.add(sign)
        return nothing
    if sign in opened:
        if after != sign:  # the last of several stars
            opened.discard(sign)
        return nothing
    if sign == "*":
        return sign if _is_word(before) or category(before)[0] == "S" else " "
    return sign if before.isdecimal() and category(after)[0] != "L" else nothing  # 6'2" are feet and inches


def _dash(sign: str, before: str, after: str, next_after: str) -> str:
    if sign in "\u2014\u2015\u2e3a\u2e3b":
        return " "
    number = after.isdecimal() or (after == "." and next_after.isdecimal()) or category(after) == "Sc"
    if number or (_is_word(after) and not _is_word(next_after)):  # -5, -.5, -$5, -x
        return "-" if not _is_word(before) and not _is_dash(before) and before not in "%‰‱°" else " "
    return "-" if _is_word(before) and not _is_word(after) and not _is_dash(after) else " "  # A-


def _is_in_number(sign: str, before: str, after: str) -> bool:
    if not after.isdecimal() or category(sign) not in ("Po", "Pc"):
        return False
    return before.isdecimal() or (sign == "." and not _is_word(before) and before != ".")


def pieces(text: str) -> list[str]:
    """The words of a `folded` text between spaces; in scripts without spaces each character, with its marks.

    Example:
        >>> pieces("她是ann okoye"), pieces("ที่นี่")
        (['她', '是', 'ann', 'okoye'], ['ที่', 'นี่'])
    """
    found: list[str] = []
    was_unspaced = False
    for sign in text:
        is_mark = category(sign)[0] == "M"
        is_unspaced = not is_mark and _UNSPACED.match(sign) is not None
        found.append(" " + sign if is_unspaced or (was_unspaced and not is_mark) else sign)
        was_unspaced = is_unspaced or (was_unspaced and is_mark)
    return "".join(found).split()


def says(answer: str, name: str) -> bool:
    """Whether an answer holds a name as whole words in a row, after `normalize_name` on both sides.

    In scripts without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar and their kin) any characters in a row are words; a
    name may be followed by a Korean particle. Signs that join words (and/or), the parts of a date and what follows the
    last apostrophe of a word (Ada's) are words of their own here.

    Example:
        >>> says("她是王小明。", "王小明"), says("Ada Okoye's face", "Ada Okoye"), says("C++", "C")
        (True, True, False)
    """
    wanted = _wanted(name)
    if not wanted.strip():
        return False
    return any(wanted in said or _has_particle(said, wanted[:-1]) for said in _sayings(answer))


def _has_particle(said: str, wanted: str) -> bool:
    return any(said.endswith(wanted, 0, found.start()) for found in _HANGUL.finditer(said))


@lru_cache(maxsize=4096)  # the same phrases are looked for in every answer
def _wanted(name: str) -> str:
    return _spread(normalize_name(name))


@lru_cache(maxsize=4096)  # and many names in one answer
def _sayings(answer: str) -> tuple[str, ...]:
    signs = folded(answer)
    return tuple({_spread(_normal(form)): None for form in (signs, _LAST_APOSTROPHE.sub(" ", signs))})


def words_said(answer: str) -> list[str]:
    """The words of an answer between spaces, and between the signs that join words or the parts of a date.

    Example:
        >>> words_said("Ada/Bo, 3.5.1987")
        ['ada', 'bo', '3', '5', '1987']
    """
    return _parted(normalize_name(answer)).split()


def _parted(normal: str) -> str:
    return _DATE.sub(r"\1 \3 \4", _BETWEEN_WORDS.sub(" ", normal))


def _spread(normal: str) -> str:
    """A normal form with a space around each word."""
    return f" {' '.join(pieces(_parted(normal)))} "


def says_part(answer: str, name: str) -> bool:
    """Whether an answer holds any word of a name; a name written without spaces is one word.

    Example:
        >>> says_part("Ada Lindqvist", "Ada Okoye"), says_part("王先生", "王小明")
        (True, False)
    """
    return any(says(answer, word) for word in normalize_name(name).split())


def accepted_names(reference: Names, row: int = 0) -> list[str]:
    """The accepted spellings of one row as a list; `row` is named in errors.

    Raises:
        ValueError: Neither a string nor a non-empty list of strings, or one of which `normalize_name` leaves nothing.
    """
    names = [reference] if isinstance(reference, str) else reference
    if isinstance(names, bytes) or not isinstance(names, Sequence | np.ndarray):
        raise ValueError(f"Row {row}: reference {reference!r}; expected a name or a list of names. Pass a string.")
    if len(names) == 0:
        raise ValueError(f"Row {row}: no accepted name; expected at least one. Pass the full name.")
    for name in names:
        if not isinstance(name, str) or not normalize_name(name):
            raise ValueError(
                f"Row {row}: reference {name!r}; expected a text that is not only punctuation. Pass the full name."
            )
    return list(names)


def checked_answers(predictions: Sequence[Any]) -> list[str]:
    """The answers as a list of strings; an empty string is an answer.

    Raises:
        ValueError: One is no string; the row is named.
    """
    for row, prediction in enumerate(predictions):
        if not isinstance(prediction, str):
            raise ValueError(f"Row {row}: prediction {prediction!r}; expected a string. Pass the decoded answer.")
    return list(predictions)


def is_match(prediction: str, reference: Names, match: Match = "exact") -> bool:
    """Whether an answer is the truth, or says it.

    Args:
        reference: The full name, or all accepted spellings of it.
        match: "exact" = the answer is the name and nothing else, after `normalize_name` on both sides; "contains" =
            it `says` the name, which a rambling answer also does.

    Raises:
        ValueError: An unknown `match`, an answer that is no string, no name to compare with.

    Example:
        >>> is_match("It is ada okoye!", "Ada Okoye"), is_match("It is ada okoye!", "Ada Okoye", "contains")
        (False, True)
    """
    return bool(row_matches([prediction], [reference], match)[0])


def row_matches(predictions: Sequence[str], references: Sequence[Names], match: Match = "exact") -> NDArray[np.bool_]:
    """`is_match` of every row: (rows,).

    Raises:
        ValueError: No rows, lengths that differ, or a row that is no string or has no name; the row is named.
    """
    if match not in get_args(Match):
        raise ValueError(f"match={match!r}; expected one of {list(get_args(Match))}. Pass one of them.")
    if len(predictions) == 0:
        raise ValueError("No rows; expected at least one answer. Check that the rows were selected.")
    if len(references) != len(predictions):
        raise ValueError(
            f"{len(references)} references for {len(predictions)} predictions; expected one a row. Pass both in full."
        )
    answers = checked_answers(predictions)
    names = [accepted_names(reference, row) for row, reference in enumerate(references)]
    if match == "exact":
        normal = map(normalize_name, answers)
        found = [answer in map(normalize_name, own) for answer, own in zip(normal, names, strict=True)]
    else:
        found = [any(says(answer, name) for name in own) for answer, own in zip(answers, names, strict=True)]
    return np.asarray(found, dtype=np.bool_)


def chance_recall(num_candidates: int | Sequence[int], num_rows: int) -> float:
    """Expected recall of someone who picks one of the candidate names at random: the mean of 1 / candidates.

    Args:
        num_candidates: One number for all rows, or one a row.

    Raises:
        ValueError: A number below 1, or not one a row; the row is named.
    """
    per_row: list[Any] = (
        list(num_candidates)
        if isinstance(num_candidates, Iterable) and not isinstance(num_candidates, str)
        else [num_candidates] * num_rows
    )
    if len(per_row) != num_rows:
        raise ValueError(
            f"{len(per_row)} num_candidates for {num_rows} rows; expected one a row. Pass a single number."
        )
    for row, number in enumerate(per_row):
        if not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(
                f"Row {row}: num_candidates {number!r}; expected a whole number of at least 1. Count names."
            )
    return math.fsum(1.0 / number for number in per_row) / num_rows
