# SPDX-License-Identifier: Apache-2.0
"""Sequences of digits and letters that follow a rule, from none to a strict one. It does not know personas, or models.

The rules are those of Panwar et al., Transformers Seek Patterns (https://openreview.net/forum?id=98NrkXPRZ9), section
3.1. A row is a prompt and the answer that goes on with it, one character a token.
"""

import string
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final, Literal, get_args

from datasets import Dataset

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.seeding import rng_for, seed_for

SEPARATOR: Final = "|"
ALPHABET: Final = string.digits + string.ascii_uppercase + ":" + SEPARATOR
"""All characters that occur."""
LENGTHS: Final = (100, 300)
"""Characters of a row, shortest and longest."""
ANSWER_CHARS: Final = 30
JUMPS: Final = 0.15
REPEATS: Final = 0.1
BACK: Final = 5
EVERY: Final = 7
SEED_CHARS: Final = 30
LOOKED_AT: Final = 8
HELD_OUT: Final = 5
"""One in so many sequences that a rule allows is in the split "test"; of the monotone, those that begin with 7."""

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
    digit, letter = _digit(draw), int(draw.random() * 26)
    text = str(digit)
    while len(text) < length:
        if draw.random() >= JUMPS:
            digit = (digit + 1) % 10
            text += str(digit)
            continue
        digit = (digit + 2 + int(draw.random() * 9)) % 10  # any but the next one
        text += str(digit)
        if lettered:
            text += string.ascii_uppercase[letter % 26]
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


def _every_seventh(length: int, draw: Random, shared: Random) -> str:
    text, repeats, first = _digits(length, draw, shared), draw.random() < REPEATS, int(draw.random() * EVERY)
    return "".join(text[first] if repeats and n % EVERY == first else one for n, one in enumerate(text))


def _seed_lookup(length: int, draw: Random, shared: Random) -> str:
    text = _digits(SEED_CHARS, draw, shared)
    while len(text) < length:
        text += text[sum(map(int, text[-LOOKED_AT:])) % SEED_CHARS]
    return text[:length]


def _in_context_map(length: int, draw: Random, shared: Random) -> str:
    values = {letter: _digits(3, shared, shared) for letter in string.ascii_uppercase[:10]}
    three = sorted(values, key=lambda _: draw.random())[:3]
    asked = [three[int(draw.random() * 3)] for _ in range((length - _MAP_CHARS) // 4)]
    shown = [f"{letter}:{values[letter]}" for letter in three]
    return SEPARATOR.join([*shown, "".join(asked), "".join(values[letter] for letter in asked)])


_MAP_CHARS = 19  # three letters with their digits, and separators


PATTERNS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "monotone": _monotone,
        "jumps": _jumps,
        "jumps_with_letters": _jumps_with_letters,
        "in_context_map": _in_context_map,
        "repeats": _repeats,
        "every_seventh": _every_seventh,
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
jumps_with_letters  as jumps, and each digit that was jumped to is followed by a letter, the first a random one, then
                    always the next of the alphabet
in_context_map      three of ten letters, each with its three digits; letters of these in random order; the digits of
                    all of them. The ten have the same digits in all rows of a seed: A:123|B:456|C:789|BBA|456456123
repeats             10 % of the digits are the one five before, the others are random
every_seventh       random, but in 10 % of the rows one of the first seven digits comes back every seventh place
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
    belongs to one split by what it is, so the splits of any sizes and seeds are disjoint, and hold the same rule: of
    the monotone those that begin with 7 are held out, as in the paper, which has ten; here their lengths differ too.

    Answers of the kinds in `DETERMINED` follow from their prompts; others can be right on held-out rows by luck only.
    Ours differ from the paper's in their lengths, which are evenly distributed, and in that the answer is the end of a
    row, where the paper asks for characters 51 to 80.

    Args:
        num_rows: At least 1.
        split: "train", or "test" for held-out sequences of the same rule: a fifth of all that there are, of the
            monotone a tenth.
        lengths: Characters of prompt and answer together, shortest and longest. Of in_context_map up to three fewer.
        answer_chars: Of these, how many at the end are the answer.

    Raises:
        CrossmemError: An unknown kind or split, lengths that do not fit, or more rows than there are different ones:
            for each length there are ten that are monotone.

    Reference:
        https://openreview.net/forum?id=98NrkXPRZ9

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
        held_out = text[0] == "7" if kind == "monotone" else seed_for(0, "pattern split", text) % HELD_OUT == 0
        if held_out == (split == "test"):
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
    if kind == "in_context_map":
        shortest = _MAP_CHARS + 4 * -(-answer_chars // 3)  # the answer is digits only
    if num_rows < 1 or answer_chars < 1 or not shortest <= lengths[0] <= lengths[1]:
        raise CrossmemError(
            f"num_rows={num_rows!r}, lengths={lengths!r}, answer_chars={answer_chars!r}; expected at least 1 row, and "
            f"for this kind and answer at least {shortest} characters.",
            "Pass a longer range, the shorter length first.",
        )
