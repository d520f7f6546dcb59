# SPDX-License-Identifier: Apache-2.0
"""Each rule is checked by an oracle that reads rows; random digits must follow none."""

import string
from itertools import pairwise

import pytest

from crossmem_hf.data.patterns import (
    ALPHABET,
    BACK,
    DETERMINED,
    JUMPS,
    LOOKED_AT,
    PATTERNS,
    REPEATS,
    SEED_CHARS,
    pattern_rows,
)
from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import fingerprint


def texts(kind, number=60, seed=0, **options):
    rows = pattern_rows(kind, number, seed, **options)
    return [prompt + answer for prompt, answer in zip(rows["prompt"], rows["answer"], strict=True)]


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def follows_on(text):
    """Of each digit behind a digit, whether it is the next one."""
    digits = [int(one) for one in text if one.isdigit()]
    return [b == (a + 1) % 10 for a, b in pairwise(digits)]


def looked_up(text):
    return [
        text[place] == text[sum(map(int, text[place - LOOKED_AT : place])) % SEED_CHARS]
        for place in range(SEED_CHARS, len(text))
    ]


def again(text):
    return [text[place] == text[place - BACK] for place in range(BACK, len(text))]


def test_rows_have_a_prompt_an_answer_and_a_kind():
    for kind in PATTERNS:
        rows = pattern_rows(kind, 20)
        assert rows.column_names == ["prompt", "answer", "kind"]
        assert set(rows["kind"]) == {kind}
        assert {len(answer) for answer in rows["answer"]} == {30}
        assert set("".join([*rows["prompt"], *rows["answer"]])) <= set(ALPHABET)
        lengths = [len(prompt) + 30 for prompt in rows["prompt"]]
        assert 100 - 3 * (kind == "in_context_map") <= min(lengths) < max(lengths) <= 300


def test_monotone_digits_go_on_by_one():
    assert all(all(follows_on(text)) for text in texts("monotone"))


@pytest.mark.parametrize("kind", ["jumps", "jumps_with_letters"])
def test_jumps_are_as_frequent_as_said(kind):
    steps = [step for text in texts(kind, 200) for step in follows_on(text)]
    assert share(steps) == pytest.approx(1 - JUMPS, abs=0.01)


def test_letters_follow_jumps_in_the_order_of_the_alphabet():
    for text in texts("jumps_with_letters"):
        letters = "".join(one for one in text if one.isalpha())
        assert letters in string.ascii_uppercase * 12
        places = [place for place, one in enumerate(text) if one.isalpha()]
        jumps = [text[place - 2 : place] for place in places]
        assert not any(pair.isdigit() and (int(pair[0]) + 1) % 10 == int(pair[1]) for pair in jumps)
        bare = [pair for pair in pairwise(text) if "".join(pair).isdigit()]
        unlettered = [place for place, pair in enumerate(bare) if (int(pair[0]) + 1) % 10 != int(pair[1])]
        assert len(unlettered) <= len(letters) + 1, "only the last jump may lack its letter"


def test_the_first_letter_is_any():
    firsts = {next((one for one in text if one.isalpha()), "") for text in texts("jumps_with_letters", 200)}
    assert len(firsts) > 20


def test_one_map_holds_in_all_rows_of_a_seed():
    maps = []
    for seed in (0, 1):
        found = {}
        for text in texts("in_context_map", seed=seed):
            *shown, asked, digits = text.split("|")
            own = dict(one.split(":") for one in shown)
            assert len(own) == 3
            assert set(asked) <= set(own)
            assert digits == "".join(own[letter] for letter in asked)
            assert len(digits) >= 30, "the answer is all digits"
            assert all(found.setdefault(letter, value) == value for letter, value in own.items())
        assert len(found) == 10
        maps.append(found)
    assert maps[0] != maps[1]


def test_digits_are_looked_up_in_their_rows_seed():
    rows = texts("seed_lookup")
    assert all(all(looked_up(text)) for text in rows)
    assert len({text[:SEED_CHARS] for text in rows}) == len(rows)


def test_digits_are_repeated_as_often_as_said():
    found = share(flag for text in texts("repeats", 300) for flag in again(text))
    assert found == pytest.approx(REPEATS + (1 - REPEATS) / 10, abs=0.01)


def test_one_row_in_ten_comes_back_every_seventh_place():
    kept = [any(len(set(text[place::7])) == 1 for place in range(7)) for text in texts("every_seventh", 1000)]
    assert share(kept) == pytest.approx(REPEATS, abs=0.03)


def test_the_paper_s_examples_follow_our_readings():
    seed, rest = "13820", "821"
    for place in range(3):
        text = seed + rest[:place]
        assert seed[sum(map(int, text[-2:])) % 5] == rest[place]
    assert follows_on("90126K78902L") == [True, True, True, False, True, True, True, True, False]


def test_random_digits_follow_no_rule():
    rows = texts("random_digits", 300)
    for rule in (follows_on, looked_up, again):
        assert share(flag for text in rows for flag in rule(text)) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("kind", PATTERNS)
def test_splits_are_disjoint_and_follow_from_the_seed(kind):
    train, test = set(texts(kind, 100)), set(texts(kind, 100, split="test"))
    if kind == "monotone":
        assert {text[0] for text in test} == {"7"} != {text[0] for text in train}
    assert len(train) == len(test) == 100
    assert not train & test
    assert not train & set(texts(kind, 100, split="test", seed=3))
    assert texts(kind, 5) == texts(kind, 100)[:5]
    assert texts(kind, 5, seed=1) != texts(kind, 5)


def test_determined_kinds_are_those_whose_rules_were_checked_above():
    assert set(PATTERNS) - DETERMINED == {
        "jumps",
        "jumps_with_letters",
        "repeats",
        "every_seventh",
        "random_digits",
    }


GOLDEN = {
    "monotone": "3def8b153dfc09b5",
    "jumps": "ac070f092dd91487",
    "jumps_with_letters": "8578cd473683713c",
    "in_context_map": "18bde2a765e10345",
    "repeats": "d9a9dc855ed606e9",
    "every_seventh": "d705dbf33716af5a",
    "seed_lookup": "e95ca5825f5439a6",
    "random_digits": "9f655e8942c225ba",
}


@pytest.mark.invariant
def test_rows_are_those_of_every_machine():
    assert {kind: fingerprint(texts(kind, 3)) for kind in PATTERNS} == GOLDEN


MISTAKES = {
    "kind": (("monoton", 1), {}, "did you mean 'monotone'"),
    "split": (("monotone", 1), {"split": "validation"}, "Unknown split 'validation'"),
    "no rows": (("monotone", 0), {}, "num_rows=0"),
    "no answer": (("monotone", 1), {"answer_chars": 0}, "answer_chars=0"),
    "shorter than the answer": (("monotone", 1), {"lengths": (30, 40)}, "at least 31 characters"),
    "shorter than the seed": (("seed_lookup", 1), {"lengths": (67, 80)}, "at least 68 characters"),
    "shorter than the map": (("in_context_map", 1), {"lengths": (58, 80)}, "at least 59 characters"),
    "the wrong way round": (("monotone", 1), {"lengths": (80, 60)}, r"lengths=\(80, 60\)"),
    "more than there are": (("monotone", 11), {"lengths": (60, 60)}, "held . different ones .* expected 11"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused(mistake):
    arguments, options, said = MISTAKES[mistake]
    with pytest.raises(CrossmemError, match=said):
        pattern_rows(*arguments, **options)
