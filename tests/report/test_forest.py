# SPDX-License-Identifier: Apache-2.0
"""Any metric gets a row a place."""

from crossmem_hf.report.figures import figures_of
from crossmem_hf.report.forest import MAX_ROWS, forest_figure
from tests.report.test_record import measurement, record


def test_forest_has_a_row_a_place_with_interval_seeds_and_chance():
    seeds = [measurement(where={"target": "text", "seed": seed}, value=0.4 + 0.1 * seed) for seed in (0, 1)]
    rows = [measurement(where={"target": "text"}, chance=0.1), measurement(where={"attack": "gcg"}, value=0.55)]
    (ax,) = forest_figure(record(*seeds, *rows), "recall").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["target text", "attack gcg"]
    drawn = [(line.get_marker(), list(line.get_xdata()), line.get_markerfacecolor()) for line in ax.lines]
    assert drawn[0][1] == [0.4, 0.6]
    assert drawn[1][:2] == ("s", [0.5])
    assert drawn[2] == ("s", [0.4, 0.5], "white"), "one seed each"
    assert drawn[3][:2] == ("|", [0.1]), "guessing"
    assert [line[:2] for line in drawn[4:]][1] == ("D", [0.55]), "no modality, and no chance"


def test_forest_leaves_out_keys_that_all_rows_share():
    places = [{"group": "forget", "layer": layer} for layer in (1, 2)]
    (ax,) = forest_figure(record(*[measurement(where=where) for where in places]), "recall").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["layer 1", "layer 2"]


def test_forest_is_whole_or_absent():
    many = [measurement(where={"layer": layer}) for layer in range(MAX_ROWS + 1)]
    assert len(forest_figure(record(*many[1:]), "recall").axes[0].get_yticklabels()) == MAX_ROWS
    assert forest_figure(record(*many), "recall") is None, "half of it would pass for all of it"
    assert [drawn.name for drawn in figures_of(record(*many, measurement("gap")))] == ["forest_gap"]
    assert forest_figure(record(*many), "exposure") is None
