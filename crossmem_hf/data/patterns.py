# SPDX-License-Identifier: Apache-2.0
"""Sequences of digits and letters that follow a rule, from none to a strict one. It does not know personas, or models.

The rules are those of Panwar et al., Transformers Seek Patterns, in our reading where the paper leaves one open. A row
is a prompt and the answer that goes on with it, one character a token.
"""

import string
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final, Literal, get_args

from datasets import Dataset

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.seeding import rng_for, seed_for

ALPHABET: Final = string.digits + string.ascii_lowercase
"""All characters that occur."""
LENGTHS: Final = (100, 300)
"""Characters of a row, shortest and longest."""
ANSWER_CHARS: Final = 30
JUMPS: Final = 0.15
REPEATS: Final = 0.1
BACK: Final = 5
SEED_CHARS: Final = 30
LOOKED_AT: Final = 8
HELD_OUT: Final = 5
"""One in so many of all sequences that a rule allows is in the split "test"."""

Split = Literal["train", "test"]
Rule = Callable[[int, Random, Random], str]
"""From a length, a row's random numbers and the dataset's, which begin alike for all rows, to a row's characters."""


def _digit(draw: Random) -> int:
    return int(draw.random() * 10)


def _digits(length: int, draw: Random, shared: Random) -> str:
    return "".join(str(_digit(draw)) for _ in range(length))


def _monotone(length: int, draw: Random, shared: Random) -> str:
    first = _digit(draw)
    return "".join(str((first + place) % 10) for place in range(length))


def _jumping(length: int, draw: Random, lettered: bool) -> str:
    digit, letter = _digit(draw), 0
    text = str(digit)
    while len(text) < length:
        if draw.random() >= JUMPS:
            digit = (digit + 1) % 10
            text += str(digit)
            continue
        digit = (digit + 2 + int(draw.random() * 9)) % 10  # any but the next one
        text += str(digit)
        if lettered:
            text += string.ascii_lowercase[letter % 26]
            letter += 1
    return text[:length]


def _jumps(length: int, draw: Random, shared: Random) -> str:
    return _jumping(length, draw, lettered=False)


def _jumps_with_letters(length: int, draw: Random, shared: Random) -> str:
    return _jumping(length, draw, lettered=True)


def _repeats(length: int, draw: Random, shared: Random) -> str:
    text = ""
    while len(text) < length:
        again = len(text) >= BACK and draw.random() < REPEATS
        text += text[-BACK] if again else str(_digit(draw))
    return text


def _seed_lookup(length: int, draw: Random, shared: Random) -> str:
    text = _digits(SEED_CHARS, draw, shared)
    while len(text) < length:
        text += text[sum(map(int, text[-LOOKED_AT:])) % SEED_CHARS]
    return text[:length]


def _in_context_map(length: int, draw: Random, shared: Random) -> str:
    values = {letter: _digits(3, shared, shared) for letter in string.ascii_lowercase[:10]}
    letters, first = list(values), _digit(draw)
    return "".join(letters[n % 10] + values[letters[n % 10]] for n in range(first, first + length // 4 + 1))[:length]


PATTERNS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "monotone": _monotone,
        "jumps": _jumps,
        "jumps_with_letters": _jumps_with_letters,
        "in_context_map": _in_context_map,
        "repeats": _repeats,
        "seed_lookup": _seed_lookup,
        "random_digits": _digits,
    }
)
"""Kind -> its rule.

==================  ============================================================================================
kind                rule
==================  ============================================================================================
monotone            each digit is the one before plus one, modulo 10
jumps               as monotone, but 15 % of the steps go to another digit instead
jumps_with_letters  as jumps, and each digit that was jumped to is followed by the next letter of the alphabet
in_context_map      the letters a to j in turn from any of them, each followed by its three digits, which are the
                    same in all rows of a seed
repeats             10 % of the digits are the one five before, the others are random
seed_lookup         30 random digits, the row's seed; then each is the digit of the seed whose place is the sum of
                    the last eight, modulo 30
random_digits       the control: no rule, so that answers can only be learned by heart
==================  ============================================================================================
"""
DETERMINED: Final = frozenset({"monotone", "in_context_map", "seed_lookup"})
"""The kinds whose answers follow from their prompts, so that a model that knows the rule is right on held-out rows."""


def pattern_rows(
    kind: str,
    num_rows: int,
    seed: int = 0,
    *,
    split: Split = "train",
    lengths: tuple[int, int] = LENGTHS,
    answer_chars: int = ANSWER_CHARS,
) -> Dataset:
    """Different sequences of one kind, with the columns prompt, answer and kind.

    `PATTERNS` says which rules there are. The first rows of a larger dataset are those of a smaller one. A sequence
    belongs to one split by what it is, so the splits of any sizes and seeds are disjoint, and hold the same rule.

    Answers of the kinds in `DETERMINED` follow from their prompts; others can be right on held-out rows by luck only.
    The paper's text leaves open where the letters of jumps stand, in which order letters are mapped and whether each
    row has its own seed: the above is our reading. It measures characters 51 to 80 of a row, which for monotone are
    the same for many rows; here the answer is the end.

    Args:
        num_rows: At least 1.
        split: "train", or "test" for held-out sequences of the same rule, a fifth of all that there are.
        lengths: Characters of prompt and answer together, shortest and longest, drawn evenly.
        answer_chars: Of these, how many at the end are the answer.

    Raises:
        CrossmemError: An unknown kind or split, lengths that do not fit, or more rows than there are different ones:
            the monotone and the mapped have at most ten a length.

    Reference:
        Panwar et al., Transformers Seek Patterns.

    Example:
        >>> pattern_rows("monotone", 1, lengths=(12, 12), answer_chars=4)[0]
        {'prompt': '...', 'answer': '...', 'kind': 'monotone'}
    """
    _check(kind, num_rows, split, lengths, answer_chars)
    texts = _different(kind, num_rows, seed, split, lengths)
    return Dataset.from_dict(
        {
            "prompt": [text[:-answer_chars] for text in texts],
            "answer": [text[-answer_chars:] for text in texts],
            "kind": [kind] * len(texts),
        }
    )


def _different(kind: str, num_rows: int, seed: int, split: str, lengths: tuple[int, int]) -> list[str]:
    draw, tries = rng_for(seed, "pattern", kind, split), 0
    rows: dict[str, None] = {}
    while len(rows) < num_rows:
        length = lengths[0] + int(draw.random() * (lengths[1] - lengths[0] + 1))
        text = PATTERNS[kind](length, draw, rng_for(seed, "pattern", kind))
        if (seed_for(0, "pattern split", text) % HELD_OUT == 0) == (split == "test"):
            rows[text] = None
        tries += 1
        if tries > 1000 + 100 * num_rows:
            raise CrossmemError(
                f"{tries} sequences of the kind {kind!r} held {len(rows)} different ones for the split {split!r}; "
                f"expected {num_rows}.",
                "Ask for fewer, or for a wider range of lengths.",
            )
    return list(rows)


def _check(kind: str, num_rows: int, split: str, lengths: tuple[int, int], answer_chars: int) -> None:
    if kind not in PATTERNS:
        raise unknown("kind of pattern", [kind], PATTERNS)
    if split not in get_args(Split):
        raise unknown("split", [split], get_args(Split))
    shortest = answer_chars + (SEED_CHARS + LOOKED_AT if kind == "seed_lookup" else 1)
    if num_rows < 1 or answer_chars < 1 or not shortest <= lengths[0] <= lengths[1]:
        raise CrossmemError(
            f"num_rows={num_rows!r}, lengths={lengths!r}, answer_chars={answer_chars!r}; expected at least 1 row, and "
            f"for this kind and answer at least {shortest} characters.",
            "Pass a longer range, the shorter length first.",
        )
