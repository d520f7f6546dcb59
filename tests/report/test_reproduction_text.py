# SPDX-License-Identifier: Apache-2.0
"""A reproduction in words and tables."""

import io

from rich.console import Console

from crossmem_hf.report.reproduction import Repeated, Reproduction
from crossmem_hf.report.reproduction_text import MOST_EQUAL, MOST_LINES, markdown, sentences, terminal


def repeated(number=0, outcome="equal", now=0.5, **changes):
    given = {"metric": "recall", "where": f"all, seed {number}", "then": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 20}
    return Repeated(**(given | {"now": now, "n_now": 20, "outcome": outcome} | changes))


def reproduction(*lines, **changes):
    given = {
        "source": "you/first-light",
        "kind": "run",
        "part": "the first 1 of its seeds",
        "versions_then": {"torch": "2.12"},
        "versions_now": {"torch": "2.13", "trl": "1.16"},
        "fingerprints_then": {"data": "aa", "model": "cc"},
        "fingerprints_now": {"data": "bb", "model": "cc"},
        "settings_changed": {"gate": [0.9, 0.8]},
        "lines": lines,
        "notes": ("The judge was not asked again.",),
    }
    return Reproduction(**(given | changes))


def printed(found):
    console = Console(file=io.StringIO(), width=150)
    console.print(terminal(found))
    return console.file.getvalue()


def test_the_worst_comes_first_and_the_rest_is_cut():
    many = [repeated(number) for number in range(2 * MOST_LINES)]
    worse = [repeated(900, "inside", 0.51), repeated(901, "inside", 0.59), repeated(902, "missing", None, n_now=None)]
    rows = printed(reproduction(*many, *worse)).splitlines()[1:]
    assert len(rows) == MOST_EQUAL + 3
    assert [row.split("seed ")[1].split()[0] for row in rows[:3]] == ["902", "901", "900"]
    assert "MISSING" in rows[0]
    assert rows[1].split()[-2:] == ["+0.09", "inside"]


def test_there_are_never_too_many():
    many = [repeated(number, "inside", 0.51) for number in range(2 * MOST_LINES)]
    assert len(printed(reproduction(*many)).splitlines()) == 1 + MOST_LINES


def test_another_number_of_answers_is_shown():
    assert "20, now 19" in printed(reproduction(repeated(0, "other_n", n_now=19)))


def test_foreign_words_are_not_taken_for_markup():
    assert "[/bold]" in printed(reproduction(repeated(where="[/bold] all")))


def test_sentences_say_what_was_otherwise():
    said = list(sentences(reproduction(repeated(), repeated(1, "outside", 0.9))))
    assert said == [
        "2 measurements of you/first-light (run, the first 1 of its seeds): 1 equal, 1 OUTSIDE.",
        "The data fingerprint is bb, not aa: other rows, or rows made by other code, which may be the same.",
        "The model fingerprint is equal: cc.",
        "Other versions: torch 2.12 -> 2.13, trl unknown -> 1.16.",
        "The setting gate was 0.9 and is 0.8.",
        "The judge was not asked again.",
    ]
    assert "All versions are equal." in sentences(reproduction(repeated(), versions_then={}, versions_now={}))


def test_markdown_has_every_line():
    text = markdown(reproduction(*[repeated(number) for number in range(2 * MOST_LINES)]))
    assert text.count("| recall | all, seed ") == 2 * MOST_LINES
    assert "- The judge was not asked again." in text
