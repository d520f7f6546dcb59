# SPDX-License-Identifier: Apache-2.0
"""The report as a whole: checks that take all rows together, and that only a report opens the way to publishing."""

import json
import shutil

import pytest

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.release.quality import CHECKS, check_duplicates, check_templates, check_written, stage_of
from crossmem_hf.errors import CrossmemError


@pytest.fixture(scope="module")
def dataset(materialized):
    return materialized / "crossmem" / "personas"


@pytest.fixture(scope="module")
def report(dataset):
    return json.loads((dataset / "quality.json").read_text())


def test_every_check_looked_at_something(report):
    assert report["checks"].keys() == CHECKS.keys()
    assert min(report["checks"].values()) > 0


def test_the_report_counts_what_is_there(report, spec):
    assert {config: tuple(splits) for config, splits in report["splits"].items()} == dict(SPLITS)
    assert report["splits"]["recall_text"]["test"] == {
        "rows": 60,
        "personas": 15,
        "hops": {"1": 60},
        "modality": {"text": 60},
    }
    assert report["splits"]["qa"]["retain"]["hops"] == {"1": 12 * 2 * 3, "2": 12 * 2}
    assert report["personas"] == {"forgotten": 3, "retained": 12, "background": 15}
    assert report["spec"] == spec.as_dict()
    for config, lengths in report["lengths"].items():
        rows = sum(split["rows"] for split in report["splits"][config].values())
        assert sum(lengths["question"].values()) == rows
    assert report["portraits"]["personas"] == 15
    assert report["portraits"]["nearest_other"]["smallest"] > 2


def test_a_template_met_in_training_and_in_the_test():
    templates = {"qa/forget": {"train-single-0"}, "qa_test/retain": {"test-single-0"}, "captions/target": {"x-0"}}
    assert check_templates(templates) == 3
    templates["qa_test/retain"].add("train-single-0")
    fault = "'templates' failed: 1 templates .*: 'train-single-0' in qa/forget and qa_test/retain"
    with pytest.raises(CrossmemError, match=fault):
        check_templates(templates)


def test_a_template_of_near_views_among_far_ones():
    with pytest.raises(CrossmemError, match=r"'templates' failed: .*'test-single-0' in qa_far/forget and"):
        check_templates({"qa_far/forget": {"test-single-0"}, "qa_test/retain": {"test-single-0"}})


def test_stages():
    assert stage_of("recall_image", "validation") == "validation"
    assert [stage_of(*far) for far in (("recall_text", "far"), ("qa_far", "retain"), ("two_hop_far", "facts"))] == [
        "far"
    ] * 3
    assert (stage_of("qa", "forget"), stage_of("qa_test", "forget")) == ("train", "test")
    assert stage_of("captions", "target") == ""


def test_two_people_with_the_same_portrait():
    hashes = {
        "a": {"train": "00" * 24, "test": "ff" * 24},
        "b": {"train": "0f" * 24},
        "c": {"train": "00" * 23 + "03"},
        "d": {"test": "00" * 24},
    }
    with pytest.raises(CrossmemError, match="'duplicates' failed: 2 people look like another: a and c, c and a"):
        check_duplicates(hashes)
    del hashes["c"]
    assert check_duplicates(hashes) == {
        "personas": 2,
        "bits": 192,
        "nearest_other": {"smallest": 96, "median": 96},
        "same_person": {"smallest": 192, "median": 192, "largest": 192},
    }
    assert check_duplicates({"a": hashes["b"]}) == {"personas": 1, "bits": 192}


def test_what_was_checked_is_what_is_there(dataset, report):
    assert check_written(dataset) == report["content"]


@pytest.mark.parametrize("fault", ["changed", "added", "removed", "unchecked", "unreadable"])
def test_what_was_not_checked_is_not_published(dataset, tmp_path, fault):
    folder = shutil.copytree(dataset, tmp_path / "copy")
    shard = folder / "qa" / "retain-00000-of-00001.parquet"
    match fault:
        case "changed":
            shard.write_bytes(shard.read_bytes() + b"\n")
        case "added":
            shutil.copy(shard, folder / "qa" / "more.parquet")
        case "removed":
            shard.unlink()
        case "unchecked":
            (folder / "quality.json").unlink()
        case "unreadable":
            (folder / "quality.json").write_text("[]")
    with pytest.raises(CrossmemError, match=r"not those that were checked|has no readable quality\.json"):
        check_written(folder)
