# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from crossmem_hf.report.compare_figure import PANELS, compare_figure, compare_png, compare_svg
from tests.report.test_compare_record import arm
from tests.report.test_compare_table import record


def points(ax):
    """(value, row, whether full) of each mark."""
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    return [
        (float(mark.get_xdata()[0]), round(float(mark.get_ydata()[0])), mark.get_markerfacecolor() != "white")
        for mark in marks
    ]


def test_each_panel_has_a_mark_for_each_modality_where_its_number_is():
    made = record()
    figure = compare_figure(made)
    assert len(figure.axes) == len(PANELS) == 3
    for ax, (metric, group, title, _, _) in zip(figure.axes, PANELS, strict=True):
        assert ax.get_title(loc="left").startswith(title) or ax.get_title().startswith(title)
        values = [made.line(arm(), metric, group, modality).value for modality in ("image", "text")]
        assert points(ax) == [(value, 0, True) for value in values]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["npo  through both"]


def test_the_modality_that_was_not_unlearned_through_is_hollow():
    made = record()
    lines = tuple(replace(line, through="text") for line in made.lines)
    figure = compare_figure(replace(made, lines=lines, arms=(arm(through="text"),)))
    assert [full for _, _, full in points(figure.axes[0])] == [False, True]


def test_the_retrained_model_is_a_line_through_all_rows():
    made = record()
    lines = tuple(replace(line, arm="retrained", through=None) for line in made.lines)
    figure = compare_figure(replace(made, lines=lines, arms=(arm(arm="retrained", through=None),)))
    dotted = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert dotted == [value for value, _, _ in points(figure.axes[0])]


def test_guessing_is_a_dashed_line_where_it_has_a_meaning():
    made = record()
    figure = compare_figure(made)
    dashed = [[line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] for ax in figure.axes]
    assert dashed == [[0.02], [24.1], [0.02]]


def test_an_arm_without_numbers_has_a_row_and_no_mark():
    made = record(arms=[arm(), arm(arm="ga", steps=(), failed=("seed 0: NaN",))])
    figure = compare_figure(made)
    assert len(points(figure.axes[0])) == 2
    assert len(figure.axes[0].get_yticklabels()) == 2


def test_equal_records_give_equal_bytes():
    assert compare_svg(record()) == compare_svg(record())
    assert compare_png(record()).startswith(b"\x89PNG")
    assert b"asked with new" in compare_svg(record())
