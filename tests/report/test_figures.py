# SPDX-License-Identifier: Apache-2.0
"""Figures repeat byte for byte, follow the record, and are absent where nothing was measured."""

import io
import xml.etree.ElementTree as ET

import matplotlib
import pytest
from PIL import Image

from crossmem_hf.report.figures import FIGURES, INK, figure_png, figure_svg, recall_color, recall_ink

LOW = 60  # dots an inch, for speed


@pytest.mark.parametrize("name", FIGURES)
def test_png_repeats_and_carries_no_stamp(record, name):
    first = figure_png(record, name, dpi=LOW)
    assert figure_png(record, name, dpi=LOW) == first
    with Image.open(io.BytesIO(first)) as picture:
        assert not {"Software", "Creation Time", "date"} & set(picture.info)
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


@pytest.mark.parametrize("name", FIGURES)
def test_svg_repeats_and_is_well_formed_on_phones_too(make_record, name):
    for narrow in (False, True):
        svg = figure_svg(make_record(seeds=(0,)), name, narrow=narrow)
        assert figure_svg(make_record(seeds=(0,)), name, narrow=narrow) == svg
        assert ET.fromstring(svg).tag.endswith("svg")
        assert b"DejaVu" not in svg


def test_figures_follow_the_record(make_record):
    record = make_record(seeds=(0,))
    changed = make_record(
        seeds=(0,), recall={("memorized", "image", "text"): 0.9, ("unlearned", "image", "text", "forget"): 0.9}
    )
    for name in FIGURES:
        assert figure_png(changed, name, dpi=LOW) != figure_png(record, name, dpi=LOW)


def test_the_matrix_shows_value_interval_and_n(record):
    svg = figure_svg(record, "matrix").decode().replace("\u00a0", " ")
    assert "99%" in svg
    assert "98 to 100" in svg
    assert "n 600" in svg
    assert "Guessing: 2%" in svg


@pytest.mark.parametrize(
    ("stages", "missing"),
    [
        (("base",), {"matrix", "gap", "exposure", "forgetting"}),
        (("base", "memorized"), {"forgetting"}),
        (("memorized", "unlearned"), set()),
    ],
)
def test_what_was_not_measured_is_not_drawn(make_record, stages, missing):
    run = make_record(seeds=(0,), stages=stages)
    assert {name for name in FIGURES if figure_png(run, name, dpi=LOW) is None} == missing


def test_one_source_alone_is_drawn(make_record):
    run = make_record(seeds=(0,), sources=("text",))
    for narrow in (False, True):
        svg = figure_svg(run, "matrix", narrow=narrow)
        assert b"not measured" in svg
        assert all(figure_svg(run, name, narrow=narrow) for name in FIGURES)


def test_unlearning_is_not_drawn_where_memorization_failed(make_record):
    assert figure_png(make_record(recall={("memorized", "image", "image"): 0.5}), "forgetting", dpi=LOW) is None


def test_drawing_leaves_global_settings_alone(record):
    before = dict(matplotlib.rcParams)
    figure_png(record, "gap", dpi=LOW)
    assert dict(matplotlib.rcParams) == before


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("recall", [0, 0.1, 0.3, 0.5, 0.65, 0.69, 0.71, 0.75, 0.8, 0.9, 1])
def test_numbers_stay_readable_on_every_cell(recall):
    ink = recall_ink(recall).lstrip("#")
    text = luminance([int(ink[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    cell = luminance(recall_color(recall))
    contrast = (max(text, cell) + 0.05) / (min(text, cell) + 0.05)
    assert contrast > 3.6, "WCAG asks for 3 for large text"
    assert recall_ink(0) == INK
