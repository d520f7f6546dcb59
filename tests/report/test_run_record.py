# SPDX-License-Identifier: Apache-2.0
"""A record survives the disk, refuses what makes no sense, and answers look-ups."""

import json
import math

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.run_record import SCHEMA_VERSION, CastMember, Example, Gate, RunRecord, other


def test_round_trip_is_exact_and_bytes_repeat(record, tmp_path):
    first = record.write(tmp_path / "record.json").read_bytes()
    again = RunRecord.read(tmp_path / "record.json")
    assert again == record
    assert again.write(tmp_path / "again.json").read_bytes() == first
    assert json.loads(first)["measurements"][0]["metric"] == "recall"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"value": 0.7}, "outside its own interval"),
        ({"ci_low": 0.55}, "outside its own interval"),
        ({"n": 0}, "n=0"),
        ({"n": True}, "Measurement.n is True"),
        ({"value": math.nan}, "finite number"),
        ({"ci_high": math.inf}, "finite number"),
        ({"value": "0.5"}, "finite number"),
        ({"stage": "forgotten"}, "'base' or 'memorized' or 'unlearned'"),
        ({"source": "audio"}, "'image' or 'text'"),
        ({"group": "some"}, "'forget' or 'retain' or 'all'"),
        ({"seed": 1.5}, "an integer or null"),
    ],
)
def test_a_measurement_refuses_what_makes_no_sense(make_measurement, changes, named):
    with pytest.raises(CrossmemError, match=named):
        make_measurement(**changes)


def test_a_value_on_the_edge_of_its_interval_is_accepted(make_measurement):
    assert make_measurement(value=1, ci_low=1.0 - 1e-12, ci_high=1.0 - 1e-12).value == 1


def test_a_record_refuses_no_seeds_and_the_same_cell_twice(make_record, make_measurement):
    with pytest.raises(CrossmemError, match="no seeds"):
        make_record(seeds=(0,)).__class__(config={}, versions={}, seeds=(), data_fingerprint="x", measurements=())
    with pytest.raises(CrossmemError, match="Measured twice"):
        make_record(seeds=(0,), measurements=(make_measurement(), make_measurement(value=0.45)))


def test_a_record_refuses_entries_of_another_kind(make_record):
    with pytest.raises(CrossmemError, match=r"RunRecord\.cast"):
        make_record(seeds=(0,), cast=({"full_name": "Mira"},))


def test_config_that_json_cannot_say_is_refused_and_the_old_file_stays(make_record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(CrossmemError, match="JSON cannot say"):
        make_record(seeds=(0,), config={"lr": math.inf}).write(path)
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"schema_version": 1, "conf', "not JSON, perhaps cut short"),
        ("\x00\x01", "not JSON"),
        ("[1, 2]", "not a run record"),
        ('{"loss": [1, 2]}', "not a run record"),
        (f'{{"schema_version": {SCHEMA_VERSION + 1}}}', "schema version 2; this crossmem_hf reads up to 1"),
        ('{"schema_version": 1, "config": {}}', "unexpected or missing fields"),
    ],
)
def test_a_file_that_is_no_record_is_named_with_its_fault(tmp_path, content, named):
    path = tmp_path / "some.json"
    path.write_text(content)
    with pytest.raises(CrossmemError, match=named) as error:
        RunRecord.read(path)
    assert "some.json" in str(error.value)


def test_a_missing_file_is_an_error_of_ours(tmp_path):
    with pytest.raises(CrossmemError, match="No such file"):
        RunRecord.read(tmp_path / "nothing.json")


def test_a_tampered_measurement_is_refused(record, tmp_path):
    path = record.write(tmp_path / "record.json")
    raw = json.loads(path.read_text())
    raw["measurements"][0]["value"] = 7
    path.write_text(json.dumps(raw))
    with pytest.raises(CrossmemError, match="outside its own interval"):
        RunRecord.read(path)


def test_find_combines_criteria_and_none_means_pooled(record):
    gaps = record.find(metric="gap", source="image", group="all")
    assert [m.seed for m in gaps] == [0, 1, 2, None]
    assert [m.seed for m in record.find(metric="gap", source="image", group="all", seed=None)] == [None]
    assert record.find(metric="gap", source="image", seed=7) == ()
    assert len(record.find()) == len(record.measurements)
    with pytest.raises(CrossmemError, match="'modality'"):
        record.find(modality="image")


def test_cell_prefers_pooled_and_takes_an_only_seed(make_record, make_measurement):
    one = make_record(seeds=(4,), measurements=(make_measurement(seed=4),))
    assert one.cell("recall", "memorized", "image", "text").seed == 4
    two = make_record(seeds=(4, 5), measurements=(make_measurement(seed=4), make_measurement(seed=5)))
    assert two.cell("recall", "memorized", "image", "text") is None
    both = make_record(seeds=(4,), measurements=(make_measurement(seed=4), make_measurement()))
    assert both.cell("recall", "memorized", "image", "text").seed is None


def test_the_gate_reads_source_recall_of_everyone_after_learning(make_record):
    good = make_record(seeds=(0,))
    assert good.gate_failures() == ()
    assert good.is_interpretable
    poor = make_record(seeds=(0,), recall={("memorized", "text", "text"): 0.6})
    assert {(m.source, m.target, m.group) for m in poor.gate_failures()} == {("text", "text", "all")}
    assert not poor.is_interpretable
    assert make_record(
        seeds=(0,), recall={("memorized", "text", "text"): 0.6}, gate=Gate(overridden=True)
    ).is_interpretable
    assert not make_record(seeds=(0,), stages=("base",)).is_interpretable


def test_people_and_examples_check_their_fields():
    with pytest.raises(CrossmemError, match=r"CastMember\.forgotten is 1; expected true or false"):
        CastMember(persona_id="a", full_name="A", forgotten=1, seed=0)
    with pytest.raises(CrossmemError, match=r"Example\.answer is None; expected a string"):
        Example(
            persona_id="a", full_name="A", stage="base", source="image", target="text", question="?", answer=None,
            truth="A", correct=False, forgotten=False,
        )  # fmt: skip


def test_other_modality():
    assert (other("image"), other("text")) == ("text", "image")
