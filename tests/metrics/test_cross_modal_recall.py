# SPDX-License-Identifier: Apache-2.0
"""The recall module through evaluate: same numbers as the library, no row silently turned into another."""

import json
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.cross_modal_recall.recall_math import recall_summary

RNG = np.random.default_rng(0)
NAMES = ["Ada Okoye", "Bo Lindqvist", "Caro Díaz", "Dele O'Neil"]
ROWS = {
    "predictions": [NAMES[number] for number in RNG.integers(0, 4, 80)],
    "references": [NAMES[number % 4] for number in range(80)],
    "source": ["image" if number < 40 else "text" for number in range(80)],
    "target": ["image" if number % 8 < 4 else "text" for number in range(80)],
    "persona_id": [f"p{number % 4}" for number in range(80)],
}


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/cross_modal_recall")


def test_equals_the_library(metric):
    got = metric.compute(**ROWS)
    assert got == recall_summary(**ROWS)
    assert json.loads(json.dumps(got)) == got


def test_options_reach_the_library(metric):
    rows = {**ROWS, "predictions": [f"It is {name}." for name in ROWS["predictions"]]}
    options = {"confidence": 0.8, "persona_seed": [int(person[1:]) % 2 for person in ROWS["persona_id"]]}
    got = metric.compute(**rows, match="contains", num_candidates=[4] * 40 + [8] * 40, **options)
    wanted = recall_summary(**rows, match="contains", num_candidates=[4] * 40 + [8] * 40, **options)
    assert got == wanted
    assert got["chance"] == pytest.approx(0.1875)
    assert metric.compute(**rows)["image_to_image"] == 0.0


@pytest.mark.parametrize("listed", ["all", "none", "first", "last"])
def test_a_reference_is_a_name_or_a_list_of_names(metric, listed):
    """Also mixed, which evaluate would turn into the letters of a name or the text of a list."""
    names = list(ROWS["references"])
    chosen = {"all": range(80), "none": (), "first": (0,), "last": (79,)}[listed]
    for row in chosen:
        names[row] = ["somebody else", names[row]]
    assert metric.compute(**{**ROWS, "references": names}) == metric.compute(**ROWS)


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 60, 20):
        metric.add_batch(**{name: column[start : start + 20] for name, column in ROWS.items()})
    for row in range(60, 80):
        one = {name.removesuffix("s") if name[-3:] in ("ons", "ces") else name: ROWS[name][row] for name in ROWS}
        metric.add(**one)
    assert metric.compute() == recall_summary(**ROWS)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({name: [] for name in ROWS}, "No rows"),
        ({"predictions": ["Ada", None]}, "Row 1: prediction None"),
        ({"predictions": ["Ada", 3]}, "Row 1: prediction 3"),
        ({"references": ["Ada", None]}, "Row 1: reference None"),
        ({"references": [["Ada"], []]}, "Row 1: no accepted name"),
        ({"source": ["image", "audio"]}, "Row 1: source 'audio'"),
        ({"target": ["image", None]}, "Row 1: target None"),
        ({"persona_id": ["p0", None]}, "Row 1: persona_id is None"),
        ({"references": ["Ada"]}, "Mismatch in the number of predictions"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, changed, named):
    given = {name: ROWS[name][:2] for name in ROWS}
    with pytest.raises(ValueError, match=named):
        metric.compute(**{**given, **changed})
    assert metric.compute(**given)["image_to_image_n"] == 2


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    assert evaluate.load("crossmem/cross_modal_recall").compute(**ROWS) == recall_summary(**ROWS)
