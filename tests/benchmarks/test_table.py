# SPDX-License-Identifier: Apache-2.0
"""docs/benchmarks.md says what results/benchmarks holds, and how often each side ran."""

import json
from statistics import median

import pytest

SIDES = ("ours", "opponent")


@pytest.fixture(scope="module")
def table(load):
    return load("table")


@pytest.fixture(scope="module")
def records(root):
    return {path: json.loads(path.read_text()) for path in (root / "results/benchmarks").glob("*.json")}


def contests(records):
    return [
        result
        for record in records.values()
        for part in (record, *record.get("parts", {}).values())
        for result in part.get("results", ())
        if "case" in result
    ]


def test_page_is_made_from_the_files(table, records):
    page = table.PAGE.read_text(encoding="utf-8")
    generated = page.split(table.BEGIN)[1].split(table.END)[0]
    assert generated == f"\n\n{table.sections(table.RESULTS)}\n", "run `python benchmarks/table.py --write`"
    assert {path.stem for path in records} == {
        name for name in table.TITLES if (table.RESULTS / f"{name}.json").exists()
    }


def test_each_contest_says_how_often_each_side_ran_and_both_ratios(records):
    """Medians are those of the runs in the file; where less than all was done, both clocks are scaled alike."""
    assert len(contests(records)) > 20
    for result in contests(records):
        if result["num_runs"] is None:
            assert result["ours_seconds"] is None
            continue
        assert result["num_runs"] == {side: len(result["runs"][side]) for side in SIDES}
        scale = result["opponent_seconds"] / median(run["seconds"] for run in result["runs"]["opponent"])
        for clock, ratio in (("seconds", "ratio"), ("wall_seconds", "wall_ratio")):
            ours, theirs = (median(run[clock] for run in result["runs"][side]) for side in SIDES)
            assert result[f"ours_{clock}"] == pytest.approx(ours)
            assert result[f"opponent_{clock}"] == pytest.approx(theirs * scale)
            expected = ours / theirs / scale if result["lower_is_better"] else theirs * scale / ours
            assert result[ratio] == pytest.approx(expected), result["case"]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"), [(3, 3, "3 each"), (1, 1, "one run each"), (3, 1, "ours 3, opponent one run")]
)
def test_one_run_is_said(table, ours, theirs, said):
    result = {
        **dict.fromkeys(("difference", "target", "ours_peak_bytes", "opponent_peak_bytes")),
        **{"case": "a", "opponent": "b", "ratio": 75.3, "wall_ratio": 40.6, "note": "", "lower_is_better": False},
        **{"ours_seconds": 2.42, "ours_wall_seconds": 4.69, "opponent_seconds": 182.0, "opponent_wall_seconds": 191.0},
        "num_runs": {"ours": ours, "opponent": theirs},
    }
    assert table.table_of([result]).splitlines() == [
        "| case | opponent | ours, CPU s (wall s) | opponent, CPU s (wall s) | CPU ratio | wall ratio | runs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| a | b | 2.42 (4.69) | 182 (191) | 75.3 | 40.6 | {said} |",
    ]
    on_gpu = table.table_of([result | {"ours_seconds": 4.69, "opponent_seconds": 191.0}], on_gpu=True).splitlines()
    assert on_gpu[0] == "| case | opponent | ours, s | opponent, s | wall ratio | runs |"
    assert on_gpu[2] == f"| a | b | 4.69 | 191 | 40.6 | {said} |"


def test_figures_of_growth_have_the_titles_of_the_stored_points(load, table):
    growth = load("growth")
    for line in table.read(table.RESULTS / "scoring.json")["growth"]:
        figure = (table.PAGE.parent / f"growth_{line['growth']}.svg").read_text(encoding="utf-8")
        assert f"<!-- {growth.title_of(line)} -->" in figure, "run `python benchmarks/table.py --write`"
        assert (
            line["said"]
            == growth.grown(*(line[name] for name in ("growth", "points", "wall_points", "num_runs")))["said"]
        )


def test_growth_compares_the_largest_size_with_a_quarter_of_it(load):
    growth = load("growth")
    points = [(64, 0.5, 0.25), (576, 1.75, 1.5), (1024, 3.0, 3.0), (2304, 8.575, 8.4)]
    line = growth.grown("image_tokens", points, points, 3)
    assert line["said"].startswith(
        "4 times the tokens of the picture (20 candidates) (576 to 2,304) cost 4.9 times the time"
    )
    assert "one candidate 5.6 times" in line["said"]
    assert line["said"].endswith("on the clock 4.9 times the time; runs a point: 3")
    assert growth.title_of(line) == "4 times the tokens of the picture (576 to 2,304): 4.9 times the time"
