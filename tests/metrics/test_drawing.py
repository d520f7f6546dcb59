# SPDX-License-Identifier: Apache-2.0
"""The figures: well-formed, escaped, in the right places, and readable without seeing them."""

import math
import re
from xml.etree import ElementTree

import pytest

from crossmem_hf.metrics.drawing import (
    WIDTH,
    Axis,
    Bar,
    Cell,
    Curve,
    Point,
    Series,
    bars,
    curves,
    dot_rows,
    matrix,
    number,
    ruler,
    scatter,
    span,
    steps,
)

ATTACK = '<script>"&'
SVG = "{http://www.w3.org/2000/svg}"
FIGURES = {
    "ruler": ruler(3.0, (1.0, 4.0), (0.0, 10.0), said=(ATTACK, "high"), mark=(9.9, ATTACK)),
    "dots": dot_rows(
        [Series(ATTACK, [1.0, 2.0, math.inf], "cm-a", [ATTACK]), Series("b", [0.0], "cm-b")], "x", ATTACK
    ),
    "curves": curves([Curve(ATTACK, [(0.0, 0.0), (1.0, 1.0)], "cm-a")], (0.0, 1.0, "x"), (0.0, 1.0, ATTACK), "said"),
    "bars": bars([Bar(ATTACK, 0.3, (0.1, 0.6), "cm-a", 0.2), Bar("none", 0.0, None, "cm-b")], 1.0, "share", "said"),
    "matrix": matrix({("image", "text"): Cell(0.5, (0.2, 0.8), 12)}, 0.02),
    "scatter": scatter([Point(ATTACK, 0.1, 0.9, "cm-a")], (0.0, 1.0, "x"), (0.0, 1.0, "y"), ATTACK),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_well_formed_and_says_what_it_shows(name):
    """Strangers' text is text: a parser finds no element that the drawing did not put there."""
    root = ElementTree.fromstring(FIGURES[name])
    assert root.get("role") == "img"
    assert root.get("aria-label")
    drawn = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert drawn <= {"svg", "text", "line", "circle", "rect", "polyline", "title"}
    assert not re.search(r"(nan|inf)\b", " ".join(root.itertext()) + " ".join(map(str, root.attrib.values())))


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_drawn_outside_the_figure(name):
    root = ElementTree.fromstring(FIGURES[name])
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width == WIDTH
    for element in root.iter():
        for key, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("cy", height)):
            if element.get(key):
                assert 0 <= float(element.get(key)) <= most, (element.tag, element.attrib)


def test_an_axis_maps_both_ends_and_holds_what_lies_outside():
    axis = Axis(0.0, 10.0, 100.0, 0.0)
    assert [axis(value) for value in (0.0, 5.0, 10.0, 99.0, -math.inf)] == [100.0, 50.0, 0.0, 0.0, 100.0]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]), (0.0, 100.0, [0.0, 25.0, 50.0, 75.0, 100.0]), (-1.1, 1.3, [-1, 0, 1])],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert Axis(low, high, 0.0, 1.0).ticks() == ticks


@pytest.mark.parametrize("exponent", range(-12, 13, 3))
def test_every_axis_has_a_few_ticks(exponent):
    found = Axis(-(10.0**exponent), 2.3 * 10.0**exponent, 0.0, 1.0).ticks()
    assert 2 <= len(found) <= 8


def test_spans_are_never_empty():
    assert span([]) < (0.0, 1.0)
    for values in ([3.0], [3.0, 3.0], [math.inf, 1.0], [math.nan]):
        low, high = span(values)
        assert math.isfinite(low)
        assert low < high


def test_steps_are_the_distribution_function():
    curve = steps("ours", [2.0, 1.0], "cm-a", 0.0, 3.0)
    assert list(curve.points) == [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (2.0, 0.5), (2.0, 1.0), (3.0, 1.0)]


def test_a_matrix_writes_percent_and_says_what_was_not_asked():
    said = " ".join(ElementTree.fromstring(FIGURES["matrix"]).itertext())
    assert "50 %" in said
    assert said.count("not asked") == 3
    assert "guessing gives 2.0 %" in said


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (99.96, "100"), (1234567.0, "1.23e+06"), (-0.5, "−0.5"), (math.nan, "–")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text
