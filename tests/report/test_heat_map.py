# SPDX-License-Identifier: Apache-2.0
"""Numbers by layer and token group stand where they were measured, in arrays and in the figure."""

import json

import pytest

from crossmem_hf.report.figures import figures_of
from crossmem_hf.report.heat_map import grids_of, heat_map_figure
from tests.report.test_record import measurement, record


def traced(layers=3, sites=("hidden", "mlp"), groups=("subject", "last"), **more):
    found = []
    for site in sites:
        for layer in range(layers):
            for group in groups:
                value = 0.75 if (site, layer, group) == ("mlp", 1, "subject") else -0.25
                where = {"corruption": "subject", "site": site, "layer": layer, "tokens": group, **more}
                found.append(
                    measurement("indirect_effect", where=where, value=value, ci=(value - 0.125, value + 0.125))
                )
    return record(*found, measurement("recall"))


def test_grids_hold_each_number_at_its_layer_and_group():
    hidden, mlp = grids_of(traced(seed=0), "indirect_effect")
    assert mlp.where == {"corruption": "subject", "site": "mlp"}
    assert (mlp.layers, mlp.tokens) == ((0, 1, 2), ("subject", "last"))
    assert mlp.values == ((-0.25, -0.25), (0.75, -0.25), (-0.25, -0.25))
    assert (mlp.low[1], mlp.high[1], mlp.n[1]) == ((0.625, -0.375), (0.875, -0.125), (20, 20))
    assert hidden.values == ((-0.25, -0.25),) * 3
    assert json.loads(json.dumps(mlp.as_dict()))["values"][1] == [0.75, -0.25]
    assert mlp.table().rows[1] == ("1", "0.75", "-0.25")
    assert grids_of(traced(), "recall") == []


def test_what_was_not_measured_is_left_blank():
    whole = traced(sites=("mlp",))
    some = whole.model_copy(update={"measurements": whole.measurements[1:]})
    (grid,) = grids_of(some, "indirect_effect")
    assert grid.tokens == ("last", "subject")
    assert grid.values == ((-0.25, None), (-0.25, 0.75), (-0.25, -0.25))
    assert (grid.low[0][1], grid.n[0][1]) == (None, 0)
    assert heat_map_figure(some, "indirect_effect") is not None
    assert grid.table().rows[0] == ("0", "-0.25", "")


def test_a_metric_by_layer_is_drawn_as_a_heat_map():
    drawn = {figure.name: figure for figure in figures_of(traced())}
    assert set(drawn) == {"forest_indirect_effect", "forest_recall"}
    svg = drawn["forest_indirect_effect"].encoded("svg").decode()
    assert "0.75" in svg
    assert "site mlp" in svg
    assert svg == drawn["forest_indirect_effect"].encoded("svg").decode()
    assert drawn["forest_indirect_effect"].encoded("svg", narrow=True)


@pytest.mark.parametrize(("layers", "sign"), [(3, False), (40, True)])
def test_cells_hold_numbers_or_where_layers_are_many_signs(layers, sign):
    figure = heat_map_figure(traced(layers), "indirect_effect")
    texts = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert texts == ({"+", "\u2212"} if sign else {"0.75", "\u22120.25"})


def test_nothing_measured_draws_nothing():
    assert heat_map_figure(record(measurement("recall")), "recall") is None
