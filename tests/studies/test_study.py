# SPDX-License-Identifier: Apache-2.0
"""What a study is made of: names of cells, what is measured by seed, and when a record says nothing."""

from pathlib import Path

import pytest

from crossmem_hf.cli.studies import STUDIES
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies.study import cell_name, measured_by, not_memorized, pooled
from tests import sources


def predictions(*seeds):
    about = {"persona_id": "p", "attribute": "full_name", "truth": "Ada", "num_candidates": 2, "answer": "Ada"}
    return Predictions({**about, "modality": "text", "correct": True, "seed": seed} for seed in seeds)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ({"source": "image", "seed": 0}, "image_seed0"),
        ({"method": "retain_only", "forget_modality": None, "seed": 12}, "retain_only_seed12"),
        ({"base": "models/micro-s", "seed": 1}, "micro-s_seed1"),
        ({"attack": "../../etc", "rate": 0.5, "seed": 1}, "..-..-etc_0.5_seed1"),
    ],
)
def test_cell_name_is_one_word_for_a_folder(where, name):
    assert cell_name(where) == name
    assert "/" not in cell_name(where)


def test_a_single_seed_is_named_and_several_are_pooled():
    assert pooled(predictions(4, 4)) == ("seed",)
    assert pooled(predictions(0, 0, 1)) == ()


def test_measured_by_keeps_the_metrics_and_the_value_of_each_seed():
    found = measured_by(("recall", "rouge"), ("target",), keep=("recall", "rouge_l_recall"))(predictions(0, 1))
    assert {one.metric for one in found} == {"recall", "rouge_l_recall"}
    (recall,) = [one for one in found if one.metric == "recall"]
    assert recall.where == {"target": "text"}
    assert recall.by_seed == {0: 1.0, 1: 1.0}
    (alone,) = measured_by(("recall",), ("target",), keep=("recall",))(predictions(3))
    assert alone.where == {"target": "text", "seed": 3}


def record(*recalls, **config):
    """Recall of each seed, of two groups of unequal size."""
    return Record(
        study="tiny",
        config={"min_recall": 0.9, "allow_unmemorized": False} | config,
        versions={},
        seeds=tuple(range(len(recalls))),
        fingerprints={},
        measurements=tuple(
            Measurement(metric="recall", where={"group": group, "seed": seed}, value=value, n=n, unit="proportion")
            for seed, values in enumerate(recalls)
            for group, value, n in zip(("forget", "retain"), values, (10, 90), strict=True)
        ),
    )


def test_not_memorized_weighs_groups_and_names_the_seed():
    assert not_memorized(record((0.5, 0.96)), {}) is None  # 0.914 together
    said = not_memorized(record((1.0, 1.0), (0.5, 0.9)), {})
    assert said is not None
    assert "(seed 1): 0.86" in said
    assert "seed 0" not in said
    assert not_memorized(record((0.0, 0.0), allow_unmemorized=True), {}) is None
    assert "0.00" in str(not_memorized(record((1.0, 1.0)), {"target": "image"}))  # not measured at all


def test_studies_are_data_of_at_most_150_lines(root):
    """And nobody imports one: the command line names their modules as texts."""
    names = [place.partition(":")[0] for place in STUDIES.places.values()]
    for file in (Path(*name.split(".")).with_suffix(".py") for name in names):
        assert len((root / file).read_text().splitlines()) <= 150, file
    for file in {*sources.python_files("crossmem_hf")} - {Path("crossmem_hf/cli/studies.py")}:
        assert not {module for _, module in sources.imported_modules(file)} & {*names}, file
