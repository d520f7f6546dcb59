# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.report.compare_figure import compare_figure, compare_png, compare_svg
from crossmem_hf.report.compare_record import RECALL
from tests.report.test_compare_record import arm
from tests.report.test_compare_table import record


def test_each_door_shows_each_arm_where_its_numbers_are():
    made = record()
    figure = compare_figure(made)
    assert [ax.get_title() for ax in figure.axes] == ["asked with new portraits", "asked with new descriptions"]
    for ax, door in zip(figure.axes, ("image", "text"), strict=True):
        forgotten, kept = (made.line(arm(), RECALL, group, door).value for group in ("forget", "retain"))
        points = [tuple(line.get_xydata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]
        assert (forgotten, kept) in points
        assert [text.get_text() for text in ax.texts] == ["npo"]


def test_equal_records_give_equal_bytes():
    assert compare_svg(record()) == compare_svg(record())
    assert compare_png(record()).startswith(b"\x89PNG")
    assert b"forgotten through" in compare_svg(record())
