# SPDX-License-Identifier: Apache-2.0
"""One schema: checked on construction, found by what it is about, equal after the disk."""

import json
from pathlib import Path

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import Failure, Measurement, Record

RESULTS = Path(__file__).parents[2] / "results"


def measurement(metric="recall", **changes):
    """A valid measurement, with any field replaced."""
    given = {"metric": metric, "where": {}, "value": 0.5, "ci": (0.4, 0.6), "n": 20, "unit": "proportion"}
    return Measurement(**given | changes)


def record(*measurements, **changes):
    """A valid record of these measurements."""
    given = {"study": "a study", "config": {}, "versions": {}, "fingerprints": {}, "measurements": measurements}
    return Record(**given | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "0.5"}, r"Measurement.value: .* valid number; got '0.5'"),
        ({"value": float("nan")}, r"Measurement.value: .* finite"),
        ({"value": 0.7}, r"recall 0.7 \[0.4, 0.6\], n=20 lies outside its own interval"),
        ({"where": {"seed": "zero"}}, "the seed .zero. is no whole number"),
        ({"where": {"seed": True}}, "the seed True is no whole number"),
        ({"ci": (float("-inf"), 1.0)}, r"Measurement.ci.0: .* finite"),
        ({"ci": (0.4,)}, r"Measurement.ci"),
        ({"n": 0}, r"Measurement.n: .* greater than or equal to 1; got 0"),
        ({"n": True}, r"Measurement.n: .* valid integer"),
        ({"chance": float("inf")}, r"Measurement.chance: .* finite"),
        ({"where": {"target": ["text"]}}, r"Measurement.where.target"),
        ({"higher_is": "better"}, r"Measurement.higher_is: Extra inputs are not permitted"),
    ],
)
def test_measurement_refuses_what_is_no_number(changes, said):
    with pytest.raises(CrossmemError, match=said):
        measurement(**changes)


def test_measurement_prints_value_interval_n_and_chance():
    shown = measurement(where={"seed": 0, "target": "text", "layer": 3}, chance=0.02)
    assert repr(shown) == "recall (target text, layer 3, seed 0) 0.5 [0.4, 0.6]¹, n=20, chance 0.02"
    assert repr(measurement(ci=None)) == "recall 0.5, n=20"


def test_where_is_the_same_in_any_order_of_its_keys():
    one, other = measurement(where={"seed": 0, "stage": "base"}), measurement(where={"stage": "base", "seed": 0})
    assert (one, one.key, one.place) == (other, other.key, "stage base, seed 0")


def test_measurement_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        measurement().value = 1.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"measurements": [measurement(), measurement(value=0.6)]},
            r"Record.measurements: measured twice: recall \(\)",
        ),
        ({"items": [measurement(), measurement()]}, r"Record.items: measured twice"),
        ({"measurements": [{"metric": "recall"}]}, r"Record.measurements.0: Measurement.value: Field required"),
        ({"config": {"lr": float("nan")}}, r"Record.config: JSON cannot say this"),
        ({"config": {"tasks": {1, 2}}}, r"Record.config: JSON cannot say this"),
        ({"seeds": ["0"]}, r"Record.seeds.0"),
        ({"gate": {}}, r"Record.gate: Extra inputs are not permitted"),
    ],
)
def test_record_refuses_what_it_cannot_keep(changes, said):
    with pytest.raises(CrossmemError, match=said):
        record(**changes)


def test_record_prints_in_one_line():
    made = record(measurement(), seeds=(0, 1), failures=(Failure(where={"seed": 2}, error="NaN"),))
    assert repr(made) == "Record of 'a study' (1 measurement, 2 seeds, 1 failure)"


def test_find_takes_none_for_what_pools():
    every = record(
        measurement(), measurement(where={"group": "forget"}), measurement("gap", where={"group": "forget"})
    )
    assert len(every.find("recall")) == 2
    assert [m.metric for m in every.find(group="forget")] == ["recall", "gap"]
    assert [m.place for m in every.find("recall", group=None)] == [""]


def test_one_is_over_all_seeds_or_of_the_only_seed():
    of_seeds = [measurement(where={"target": "text", "seed": seed}, n=1 + seed) for seed in (0, 1)]
    made = record(*of_seeds, measurement(where={"target": "text"}, n=9), measurement(n=8))
    assert made.one("recall", target="text").n == 9
    assert made.one("recall", target="text", seed=1).n == 2
    assert made.one("recall", target="text", group=None).n == 9
    assert made.one("recall").n == 8
    assert made.one("recall", target="image") is None
    assert record(of_seeds[1]).one("recall", target="text").n == 2
    assert record(*of_seeds).one("recall", target="text") is None


@pytest.mark.parametrize(
    ("own", "base", "memorized"),
    [
        ({"stage": "unlearned"}, {"stage": "base"}, {"stage": "memorized"}),
        ({"method": "npo", "forget_modality": "text"}, {"method": "base"}, {"method": "memorized"}),
        ({}, {"model": "base"}, {"model": "memorized"}),
    ],
)
def test_baselines_are_found_by_stage_by_method_and_by_model(own, base, memorized):
    places = [{**where, "target": "text"} for where in (own, base, memorized)]
    made = record(*[measurement(where=where) for where in places])
    mine, before, learned = made.measurements
    assert made.baselines(mine) == {"base": before, "memorized": learned}
    assert made.baselines(learned) == {"base": before}
    assert made.baselines(before) == {}


def test_record_survives_the_disk_with_equal_bytes(tmp_path):
    one = record(measurement(where={"seed": 0}), config={"b": (1, 2), "a": {"d": 1, "c": None}}, seeds=(0,))
    two = record(measurement(where={"seed": 0}), config={"a": {"c": None, "d": 1}, "b": [1, 2]}, seeds=(0,))
    written = one.write(tmp_path / "record.json")
    assert Record.read(written) == Record.read(tmp_path) == one == two
    assert two.write(tmp_path / "two.json").read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON, perhaps cut short"),
        ("[]", "is no record: it has no schema_version"),
        ('{"schema_version": 1, "measurements": []}', "is of schema version 1; this crossmem_hf reads version 2"),
        ('{"schema_version": 2}', "is no valid record. Record.study: Field required"),
        ("[" * 100_000, "is not JSON"),
        ('{"schema_version": 2, "study": "\\ud800"}', "is not JSON.*surrogates not allowed"),
    ],
)
def test_read_refuses_what_is_no_record(tmp_path, content, said):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(CrossmemError, match=said):
        Record.read(tmp_path)


def test_read_says_that_a_file_is_missing(tmp_path):
    with pytest.raises(CrossmemError, match=r"Could not read .*record\.json': No such file"):
        Record.read(tmp_path)


def test_shipped_records_are_read_and_written_alike(tmp_path):
    files = sorted(RESULTS.rglob("record*.json"))
    names = "bases bases_l compare cross_modal first_light metric_meta_evaluation remem remem_unlearning "
    names += "representation_geometry residual_knowledge tune tune_bases tune_facts two_hop"
    assert [file.parent.name for file in files] == names.split()
    for file in files:
        assert Record.read(file).write(tmp_path / "again.json").read_bytes() == file.read_bytes()
        assert json.loads(file.read_bytes())["schema_version"] == 2


def test_shipped_numbers_are_those_of_the_runs():
    first = Record.read(RESULTS / "first_light")
    crossed = first.one("recall", stage="memorized", source="image", target="text")
    assert (crossed.value, crossed.n, crossed.chance) == (0.747, 1000, 0.02)
    compared = Record.read(RESULTS / "compare")
    assert (
        compared.one("recall", method="rmu", forget_modality="image", group="forget", target="text", step=None).n
        == 200
    )
