# SPDX-License-Identifier: Apache-2.0
"""Figures repeat byte for byte, follow the record, are absent where nothing was measured, and speak without color."""

import io
import xml.etree.ElementTree as ET
from itertools import pairwise

import matplotlib
import pytest
from PIL import Image

from crossmem_hf.report.figures import FIGURES, figures_of, write_figures
from crossmem_hf.report.modality_figures import recall_color, recall_ink
from crossmem_hf.report.style import (
    GROUP_COLORS,
    GROUP_TINTS,
    INK,
    MODALITY_COLORS,
    MODALITY_HATCHES,
    MODALITY_LINES,
    MODALITY_MARKERS,
    MODALITY_TINTS,
)
from tests.report.test_record import measurement
from tests.report.test_record import record as record_of
from tests.report.test_residual_figure import attacked

LOW = 60  # dots an inch, for speed


@pytest.fixture(scope="module")
def one_seed(make_record):
    return make_record(seeds=(0,))


def drawn(record):
    return {figure.name: figure for figure in figures_of(record)}


def methods():
    places = [{"method": "npo", "forget_modality": through} for through in ("image", "text")]
    where = {"group": "forget", "target": "image"}
    along = [measurement("exposure", where={**place, **where, "step": 15}, unit="0-100") for place in places]
    return record_of(*[measurement(where={**place, **where}) for place in places], *along)


def test_figures_repeat_in_every_format_and_carry_no_stamp(one_seed):
    figures = drawn(one_seed) | drawn(methods()) | {"residual": drawn(attacked())["residual"]}
    assert list(figures) == list(FIGURES)
    for figure in figures.values():
        with Image.open(io.BytesIO(figure.encoded("png", dpi=LOW))) as picture:
            assert not {"Software", "Creation Time", "date"} & set(picture.info)
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 20
        narrow = figure.encoded("svg", narrow=True)
        assert ET.fromstring(narrow).tag.endswith("svg")
        assert b"DejaVu" not in narrow
    again = drawn(methods())["methods"]
    assert again.encoded("svg") == figures["methods"].encoded("svg")
    pdf = figures["gap"].encoded("pdf")
    assert (pdf[:5], figures["gap"].encoded("pdf")) == (b"%PDF-", pdf)
    assert b"CreationDate" not in pdf


def test_figures_follow_the_record(make_record, one_seed):
    changed = make_record(
        seeds=(0,), recall={("memorized", "image", "text"): 0.9, ("unlearned", "image", "text", "forget"): 0.9}
    )
    was, now = drawn(one_seed), drawn(changed)
    for name in ("gap", "forgetting"):
        assert now[name].encoded("svg") != was[name].encoded("svg")


def test_matrix_shows_value_interval_and_n(record):
    svg = drawn(record)["matrix"].encoded("svg").decode().replace("\u00a0", " ")
    for shown in ("99%", "98 to 100", "n 600", "Guessing: 2%"):
        assert shown in svg


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        (("base",), {"forest_recall", "forest_exposure"}),
        (("base", "memorized"), {"matrix", "gap", "exposure"}),
        (("memorized", "unlearned"), {"matrix", "gap", "exposure", "forgetting"}),
    ],
)
def test_figures_leave_out_what_was_not_measured(make_record, stages, names):
    assert set(drawn(make_record(seeds=(0,), stages=stages))) == names


def test_figures_draw_one_source_alone(make_record):
    figures = drawn(make_record(seeds=(0,), sources=("text",)))
    assert len(figures) == 4
    assert b"not measured" in figures["matrix"].encoded("svg", narrow=True)


def test_forgetting_figure_needs_memorization(make_record):
    assert "forgetting" not in drawn(make_record(seeds=(0,), recall={("memorized", "image", "image"): 0.5}))


def test_write_figures_writes_two_formats_and_removes_stale_ones(tmp_path):
    first = write_figures(record_of(measurement("../odd $x")), tmp_path)
    assert [path.name for path in first] == ["forest____odd__x.png", "forest____odd__x.pdf"]
    (tmp_path / "mine.png").write_bytes(b"")
    second = write_figures(record_of(measurement("a")), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*second, tmp_path / "mine.png"])


def test_figures_leave_global_settings_alone():
    before = dict(matplotlib.rcParams)
    drawn(methods())["methods"].encoded("png", dpi=LOW)
    assert dict(matplotlib.rcParams) == before


def rgb(color):
    return [int(color.lstrip("#")[i : i + 2], 16) / 255 for i in (0, 2, 4)]


def test_figures_tell_nothing_apart_by_color_alone():
    for style in (MODALITY_MARKERS, MODALITY_HATCHES, MODALITY_LINES):
        assert style["image"] != style["text"]
    for colors, tints in ((MODALITY_COLORS, MODALITY_TINTS), (GROUP_COLORS, GROUP_TINTS)):
        for name, color in colors.items():
            assert luminance(rgb(tints[name])) - luminance(rgb(color)) > 0.3, "before and after unlearning"
    shades = [luminance(recall_color(step / 10)) for step in range(11)]
    assert all(one > two for one, two in pairwise(shades)), "darker is greater"


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_matrix_numbers_are_readable_on_every_cell():
    for recall in (0, 0.1, 0.3, 0.5, 0.65, 0.69, 0.71, 0.75, 0.8, 0.9, 1):
        text, cell = luminance(rgb(recall_ink(recall))), luminance(recall_color(recall))
        contrast = (max(text, cell) + 0.05) / (min(text, cell) + 0.05)
        assert contrast > 3.6, "WCAG asks for 3 for large text"
    assert recall_ink(0) == INK
