# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.compare_record import CompareArm, CompareLine, CompareRecord


def line(**changes):
    chosen = {
        "arm": "npo",
        "through": "both",
        "metric": "recall",
        "group": "forget",
        "modality": "image",
        "hops": None,
    }
    chosen |= {"value": 0.1, "ci_low": 0.0, "ci_high": 0.3, "n": 40, "chance": 0.02, "unit": "proportion"}
    return CompareLine(**(chosen | {"higher_is": "more_memorized"} | changes))


def arm(**changes):
    chosen = {"arm": "npo", "through": "both", "steps": (40,), "reached_floor": (True,), "wall_s": (12.0,)}
    return CompareArm(**(chosen | {"cpu_s": (11.0,), "peak_mib": (700.0,)} | changes))


def record(lines=None, arms=None, **changes):
    chosen = {"config": {}, "versions": {}, "seeds": (0,), "data_fingerprint": "f", "lines": tuple(lines or [line()])}
    return CompareRecord(**(chosen | {"arms": tuple(arms or [arm()])} | changes))


def test_a_record_survives_the_disk(tmp_path):
    made = record([line(), line(hops=1), line(through=None, arm="base")], notes=("One.",))
    assert CompareRecord.read(made.write(tmp_path / "compare.json")) == made
    assert made.hops == (None, 1)


def test_a_number_is_found_by_what_it_is_about():
    made = record([line(), line(modality="text", value=0.2)])
    assert made.line(arm(), "recall", "forget", "text").value == 0.2
    assert made.line(arm(), "recall", "retain", "text") is None


@pytest.mark.parametrize("changes", [{"value": 0.5}, {"n": 0}, {"value": "0.1"}])
def test_impossible_lines(changes):
    with pytest.raises(CrossmemError):
        line(**changes)


def test_nothing_is_measured_twice_and_seeds_are_named():
    with pytest.raises(CrossmemError, match="Measured twice"):
        record([line(), line(value=0.2)])
    with pytest.raises(CrossmemError, match="no seeds"):
        record(seeds=())
