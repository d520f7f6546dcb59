# SPDX-License-Identifier: Apache-2.0
"""Numbers of any record in one form, and any record from a file."""

import json

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.compare_record import CompareArm, CompareLine, CompareRecord
from crossmem_hf.report.lines import kind_of, lines_of, read_record
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreLine, ScoreRecord

NUMBERS = {
    "value": 0.5,
    "ci_low": 0.4,
    "ci_high": 0.6,
    "n": 8,
    "chance": 0.1,
    "unit": "proportion",
    "higher_is": "better",
}


def score():
    return ScoreRecord(
        config={},
        versions={},
        model_fingerprint="m",
        data_fingerprint="d",
        seeds={"personas": 0},
        lines=(ScoreLine(metric="exposure", group="modality=image", **NUMBERS),),
    )


def comparison():
    where = {"metric": "recall", "group": "forget", "modality": "text"}
    return CompareRecord(
        config={},
        versions={},
        seeds=(0, 1),
        data_fingerprint="d",
        lines=(
            CompareLine(arm="base", through=None, hops=None, **where, **NUMBERS),
            CompareLine(arm="npo", through="both", hops=2, **where, **NUMBERS),
        ),
        arms=(
            CompareArm(
                arm="base",
                through=None,
                steps=(0,),
                reached_floor=(None,),
                wall_s=(0.0,),
                cpu_s=(0.0,),
                peak_mib=(0.0,),
            ),
        ),
    )


@pytest.fixture(scope="module")
def shipped(root):
    return RunRecord.read(root / "results/first_light/record.json")


def test_every_number_of_a_run_is_a_line_of_its_own(shipped):
    lines = lines_of(shipped)
    assert len({line.key for line in lines}) == len(lines) == len(shipped.measurements)
    for line, m in zip(lines, shipped.measurements, strict=True):
        assert (line.metric, line.value, line.ci_low, line.n, line.seed) == (m.metric, m.value, m.ci_low, m.n, m.seed)
    wheres = {line.where for line in lines}
    assert "unlearned, image to text, forget, seed 1" in wheres
    assert "memorized, image, all, all seeds" in wheres, "a gap is of one source"


def test_scores_and_comparisons_have_the_same_form():
    (line,) = lines_of(score())
    assert (line.key, line.value, line.chance) == (("exposure", "modality=image"), 0.5, 0.1)
    assert [line.where for line in lines_of(comparison())] == [
        "base, forget, asked in text",
        "npo through both, forget, asked in text, 2 hops",
    ]


def test_any_record_is_read_from_a_file_or_its_folder(shipped, tmp_path):
    for number, (name, record, kind) in enumerate(
        [("record.json", shipped, "run"), ("record.json", score(), "score"), ("compare.json", comparison(), "compare")]
    ):
        path = record.write(tmp_path / str(number) / name)
        assert read_record(path) == read_record(path.parent) == record
        assert kind_of(record) == kind


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON, perhaps cut short"),
        ("[1]", "is JSON but no record"),
        (json.dumps({"lines": [], "model": 1}), "is JSON but no record"),
        (json.dumps({"measurements": []}), "it has no schema_version"),
        (json.dumps({"measurements": [], "schema_version": 99}), "has schema version 99"),
        (json.dumps({"measurements": [], "schema_version": 1}), "is not a valid run record"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_record_of_ours_is_named(content, said, tmp_path):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(CrossmemError, match=said):
        read_record(tmp_path)


def test_a_folder_or_file_that_is_not_there(tmp_path):
    with pytest.raises(CrossmemError, match=r"holds neither record\.json nor compare\.json"):
        read_record(tmp_path)
    with pytest.raises(CrossmemError, match="Could not read"):
        read_record(tmp_path / "record.json")
