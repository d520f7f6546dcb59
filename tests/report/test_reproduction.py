# SPDX-License-Identifier: Apache-2.0
"""Then and now, number by number, in tables and in words."""

import io

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.reproduction import (
    MAX_EQUAL,
    MAX_LINES,
    Repeated,
    Reproduction,
    brief_table,
    repeated,
    reproduction_markdown,
    sentences,
)
from tests.report.test_record import measurement as line


def reproduction(*lines, **changes):
    given = {
        "source": "you/first-light",
        "study": "first_light",
        "part": "all of it",
        "versions_then": {"torch": "1", "trl": "1", "faker": "1"},
        "versions_now": {"torch": "2", "trl": "1", "numpy": "1"},
        "fingerprints_then": {"data": "a"},
        "fingerprints_now": {"data": "a"},
        "settings_changed": {},
        "lines": lines,
    }
    return Reproduction(**(given | changes))


@pytest.mark.parametrize(
    ("then", "now", "outcome"),
    [
        ({}, {}, "equal"),
        ({}, {"value": 0.5 + 5e-7}, "equal"),
        ({}, {"value": 0.5 + 5e-6}, "inside"),
        ({}, {"value": 0.6}, "inside"),
        ({}, {"value": 0.39, "ci": None}, "outside"),
        ({}, {"n": 21}, "other_n"),
        ({"value": 3e7, "ci": None}, {"value": 3e7 + 1, "ci": None}, "equal"),
        ({"ci": None}, {"value": 0.51}, "outside"),
    ],
)
def test_repeated_sorts_numbers_by_outcome(then, now, outcome):
    (found,) = repeated([line(**then)], [line(**now)])
    assert found.outcome == outcome


def test_repeated_names_what_is_missing_and_leaves_out_what_is_new():
    (found,) = repeated([line()], [line("exposure"), line(where={"target": "text"})])
    assert (found.outcome, found.now, found.n_now, found.difference) == ("missing", None, None, None)


def test_repeated_refuses_an_empty_part():
    with pytest.raises(CrossmemError, match="No measurement"):
        repeated([], [line()])


def test_reproduction_holds_unless_a_line_is_worse_than_inside():
    equal, inside = repeated([line(), line("exposure")], [line(), line("exposure", value=0.45)])
    assert reproduction(equal).holds(exact=True)
    assert reproduction(equal, inside).holds()
    assert not reproduction(equal, inside).holds(exact=True)
    for now in ({"value": 0.9, "ci": None}, {"n": 3}, {"where": {"seed": 0}}):
        (bad,) = repeated([line()], [line(**now)])
        assert not reproduction(equal, bad).holds()
    assert reproduction(equal, inside).counts == {"equal": 1, "inside": 1, "outside": 0, "other_n": 0, "missing": 0}


def test_reproduction_lists_versions_that_differ():
    assert reproduction().other_versions == {"faker": ("1", ""), "numpy": ("", "1"), "torch": ("1", "2")}


def test_reproduction_survives_the_disk(tmp_path):
    found = reproduction(*repeated([line(), line("gone")], [line(value=0.55)]), notes=("A sentence.",))
    assert Reproduction.read(found.write(tmp_path / "reproduction.json")) == found
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(CrossmemError, match="no reproduction"):
        Reproduction.read(tmp_path / "other.json")


def one(number=0, outcome="equal", now=0.5, **changes):
    given = {"metric": "recall", "where": {"seed": number}, "then": 0.5, "ci": (0.4, 0.6), "n": 20}
    return Repeated(**(given | {"now": now, "n_now": 20, "outcome": outcome} | changes))


def partly(*lines, **changes):
    given = {
        "source": "you/first-light",
        "study": "first_light",
        "part": "the first 1 of its seeds",
        "versions_then": {"torch": "2.12"},
        "versions_now": {"torch": "2.13", "trl": "1.16"},
        "fingerprints_then": {"data": "aa", "model": "cc"},
        "fingerprints_now": {"data": "bb", "model": "cc"},
        "settings_changed": {"min_recall": [0.9, 0.8]},
        "lines": lines,
        "notes": ("The judge was not asked again.",),
    }
    return Reproduction(**(given | changes))


def printed(found):
    console = Console(file=io.StringIO(), width=150)
    console.print(brief_table(found).terminal())
    return console.file.getvalue()


def test_brief_table_has_the_worst_first_and_few_equal():
    many = [one(number) for number in range(2 * MAX_LINES)]
    worse = [one(900, "inside", 0.51), one(901, "inside", 0.59), one(902, "missing", None, n_now=None)]
    rows = printed(partly(*many, *worse)).splitlines()[1:]
    assert len(rows) == MAX_EQUAL + 3
    assert [row.split("seed ")[1].split()[0] for row in rows[:3]] == ["902", "901", "900"]
    assert "MISSING" in rows[0]
    assert rows[1].split()[-2:] == ["+0.09", "inside"]


def test_brief_table_is_never_too_long():
    many = [one(number, "inside", 0.51) for number in range(2 * MAX_LINES)]
    assert len(printed(partly(*many)).splitlines()) == 1 + MAX_LINES


def test_brief_table_shows_another_number_of_answers():
    assert "20, now 19" in printed(partly(one(0, "other_n", n_now=19)))


def test_brief_table_follows_no_foreign_markup():
    assert "[/bold]" in printed(partly(one(where={"attack": "[/bold] all"})))


def test_sentences_say_what_was_otherwise():
    said = list(sentences(partly(one(), one(1, "outside", 0.9))))
    assert said == [
        "2 measurements of you/first-light (first_light, the first 1 of its seeds): 1 equal, 1 OUTSIDE.",
        "The data fingerprint is bb, not aa: other rows.",
        "The model fingerprint is equal: cc.",
        "Other versions: torch 2.12 -> 2.13, trl unknown -> 1.16.",
        "The setting min_recall was 0.9 and is 0.8.",
        "The judge was not asked again.",
    ]
    assert "All versions are equal." in sentences(partly(one(), versions_then={}, versions_now={}))


def test_markdown_has_every_line():
    text = reproduction_markdown(partly(*[one(number) for number in range(2 * MAX_LINES)]))
    assert text.count("| recall | seed ") == 2 * MAX_LINES
    assert "- The judge was not asked again." in text
