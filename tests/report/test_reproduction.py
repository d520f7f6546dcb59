# SPDX-License-Identifier: Apache-2.0
"""Then and now, line by line."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.lines import Line
from crossmem_hf.report.reproduction import Reproduction, repeated


def line(metric="recall", **changes):
    given = {
        "where": "all",
        "value": 0.5,
        "ci_low": 0.4,
        "ci_high": 0.6,
        "n": 20,
        "chance": None,
        "unit": "proportion",
        "higher_is": "better",
        "seed": None,
    }
    return Line(metric=metric, **(given | changes))


def reproduction(*lines, **changes):
    given = {
        "source": "you/first-light",
        "kind": "run",
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
        ({}, {"value": 0.39}, "outside"),
        ({}, {"n": 21}, "other_n"),
        ({"value": 3e7, "ci_low": None, "ci_high": None}, {"value": 3e7 + 1}, "equal"),
        ({"ci_low": None, "ci_high": None}, {"value": 0.51}, "outside"),
    ],
)
def test_outcomes(then, now, outcome):
    (found,) = repeated([line(**then)], [line(**now)])
    assert found.outcome == outcome


def test_what_was_not_measured_again_is_missing_and_what_is_new_plays_no_part():
    (found,) = repeated([line()], [line("exposure"), line(where="text")])
    assert (found.outcome, found.now, found.n_now, found.difference) == ("missing", None, None, None)


def test_agreement_about_nothing_is_no_success():
    with pytest.raises(CrossmemError, match="No line"):
        repeated([], [line()])


def test_it_holds_unless_a_line_is_worse_than_inside():
    equal, inside = repeated([line(), line("exposure")], [line(), line("exposure", value=0.45)])
    assert reproduction(equal).holds(exact=True)
    assert reproduction(equal, inside).holds()
    assert not reproduction(equal, inside).holds(exact=True)
    for now in ({"value": 0.9}, {"n": 3}, {"where": "elsewhere"}):
        (bad,) = repeated([line()], [line(**now)])
        assert not reproduction(equal, bad).holds()
    assert reproduction(equal, inside).counts == {"equal": 1, "inside": 1, "outside": 0, "other_n": 0, "missing": 0}


def test_versions_that_differ():
    assert reproduction().other_versions == {"faker": ("1", ""), "numpy": ("", "1"), "torch": ("1", "2")}


def test_it_survives_the_disk(tmp_path):
    found = reproduction(*repeated([line(), line("gone")], [line(value=0.55)]), notes=("A sentence.",))
    assert Reproduction.read(found.write(tmp_path / "reproduction.json")) == found
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(CrossmemError, match="not a reproduction"):
        Reproduction.read(tmp_path / "other.json")
