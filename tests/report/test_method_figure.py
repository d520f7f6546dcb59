# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.report.method_figure import PANELS, method_figure
from crossmem_hf.report.record import Failure
from crossmem_hf.report.style import CHANCE_LINE, MODALITY_LINES
from tests.report.test_methods import compared
from tests.report.test_record import measurement, record


def points(ax):
    """(marker, value, row, whether full) of each mark."""
    marks = [line for line in ax.lines if line.get_marker() in ("o", "s")]
    return [
        (
            mark.get_marker(),
            float(mark.get_xdata()[0]),
            round(float(mark.get_ydata()[0])),
            mark.get_markerfacecolor() != "white",
        )
        for mark in marks
    ]


def test_panels_have_a_mark_for_each_modality_at_its_number():
    made = compared()
    figure = method_figure(made)
    assert len(figure.axes) == len(PANELS) == 3
    place = {"method": "npo", "forget_modality": "both"}
    for ax, (metric, group, title, _, _) in zip(figure.axes, PANELS, strict=True):
        assert ax.get_title(loc="left").startswith(title) or ax.get_title().startswith(title)
        values = [made.one(metric, **place, group=group, target=target).value for target in ("image", "text")]
        assert points(ax) == [("o", values[0], 0, True), ("s", values[1], 0, True)]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["npo  through both"]


def test_marks_are_hollow_where_the_other_modality_was_unlearned():
    figure = method_figure(compared(forget_modality="text"))
    assert [full for *_, full in points(figure.axes[0])] == [False, True]


def test_retain_only_model_is_a_line_through_all_rows():
    (ax, *_) = method_figure(compared(method="retain_only", forget_modality=None)).axes
    values = [value for _, value, _, _ in points(ax)]
    upright = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1 and line.is_dashed()]
    assert sorted(upright) == sorted([*values, 0.02])


def test_guessing_is_a_dashed_line_where_it_has_a_meaning():
    figure = method_figure(compared())
    dashed = [[line.get_xdata()[0] for line in ax.lines if line.is_dashed()] for ax in figure.axes]
    assert dashed == [[0.02], [24.1], [0.02]]
    assert CHANCE_LINE["linestyle"] not in MODALITY_LINES.values()


def test_method_that_failed_has_a_row_and_no_mark():
    figure = method_figure(compared(failures=(Failure(where={"method": "ga", "seed": 0}, error="NaN"),)))
    assert len(points(figure.axes[0])) == 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["npo  through both", "ga"]


def test_method_figure_is_none_without_its_numbers():
    assert method_figure(record(measurement("cost", where={"method": "npo"}))) is None
