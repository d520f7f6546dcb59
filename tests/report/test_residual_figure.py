# SPDX-License-Identifier: Apache-2.0
"""Every method has a mark at its utility and at what its worst attack leaves."""

from crossmem_hf.report.residual_figure import residual_figure
from tests.report.test_record import measurement, record
from tests.report.test_residual_table import left


def useful(value, **where):
    return measurement(metric="utility", where=where, value=value, ci=(value - 0.1, value + 0.1), unit="proportion")


def attacked():
    """A record of two methods under attack."""
    return record(
        measurements=(
            left(None, "npo", 0.5),
            useful(0.75, method="npo", forget_modality="both"),
            left(None, "gd", 0.25, through="image"),
            useful(0.5, method="gd", forget_modality="image"),
            useful(0.9, method="memorized"),
        )
    )


def test_marks_stand_at_utility_and_at_what_is_left():
    (ax,) = residual_figure(attacked()).axes
    marks = {
        line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in ax.lines
        if len(line.get_xdata()) == 1
    }
    assert marks == {"D": (75.0, 50.0), "o": (50.0, 25.0)}
    assert [text.get_text() for text in ax.texts] == ["npo", "gd"]
    assert 90.0 in [line.get_xdata()[0] for line in ax.lines]


def test_nothing_is_drawn_without_both_numbers():
    assert residual_figure(record(measurements=(left(None, "npo", 0.5),))) is None
