# SPDX-License-Identifier: Apache-2.0
"""A score record survives the disk and refuses what makes no sense."""

import json
import math

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.score_record import ScoreLine, ScoreRecord

LINE = {
    "metric": "exposure",
    "group": "all",
    "value": 40.0,
    "ci_low": 30.0,
    "ci_high": 50.0,
    "n": 12,
    "chance": 29.3,
    "unit": "0-100",
    "higher_is": "more_memorized",
}


def line(**changes):
    return ScoreLine(**(LINE | changes))


def record(*lines, **changes):
    given = {
        "config": {"model": None, "metrics": ["exposure"], "k": 0.2},
        "versions": {"torch": "2"},
        "model_fingerprint": "aa+bb",
        "data_fingerprint": "cc",
        "seeds": {"generation": 0},
        "lines": lines,
        "notes": ("A sentence.",),
    }
    return ScoreRecord(**(given | changes))


def test_round_trip_is_exact_and_bytes_repeat(tmp_path):
    first = record(line(), line(group="hops=2", value=0.1 + 0.2, ci_low=None, ci_high=None, chance=None))
    path = first.write(tmp_path / "record.json")
    assert ScoreRecord.read(path) == first
    assert ScoreRecord.read(path).write(tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert json.loads(path.read_text())["lines"][1]["value"] == 0.1 + 0.2


def test_a_line_is_found_by_metric_and_group():
    found = record(line(), line(group="modality=text", value=41.0))
    assert found.line("exposure").value == 40.0
    assert found.line("exposure", "modality=text").value == 41.0
    assert found.line("exposure", "modality=image") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": 51.0}, "outside its own interval"),
        ({"value": 29.0}, "outside its own interval"),
        ({"ci_low": None}, "both ends or neither"),
        ({"n": 0}, "n=0"),
        ({"value": math.nan}, "finite number"),
        ({"chance": "low"}, "finite number or null"),
        ({"n": 1.5}, "an integer"),
    ],
)
def test_a_line_refuses_what_makes_no_sense(changes, said):
    with pytest.raises(CrossmemError, match=said):
        line(**changes)


def test_a_record_refuses_the_same_cell_twice():
    with pytest.raises(CrossmemError, match="Measured twice"):
        record(line(), line(value=41.0))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema_version": 1, "conf', "not JSON, perhaps cut short"),
        ("[1]", "not a score record"),
        ('{"schema_version": 2}', "schema version 2; this crossmem_hf reads up to 1"),
        ('{"schema_version": 1, "config": {}}', "not a valid score record"),
    ],
)
def test_a_file_that_is_no_record_is_named_with_its_fault(tmp_path, content, said):
    path = tmp_path / "some.json"
    path.write_text(content)
    with pytest.raises(CrossmemError, match=said) as error:
        ScoreRecord.read(path)
    assert "some.json" in str(error.value)
