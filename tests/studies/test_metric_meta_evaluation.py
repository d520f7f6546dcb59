# SPDX-License-Identifier: Apache-2.0
"""The study metric_meta_evaluation: its grid, and a run on a model that learns nothing."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.studies.meta_evaluation_cells import ABSENT, PRESENT, UNLEARNED
from crossmem_hf.studies.meta_evaluation_claims import NAMES
from crossmem_hf.studies.meta_evaluation_measures import FAITHFUL, RELEARNING, ROUNDING
from crossmem_hf.studies.metric_meta_evaluation import STUDY, MetaEvaluationSettings
from crossmem_hf.studies.run import run_study
from tests.studies.conftest import run_here

STEPS = {"max_steps": 2, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def record(tiny_model, tmp_path_factory):
    chosen = MetaEvaluationSettings(
        methods=("npo",),
        ways=("usual", "shorter", "from_portraits"),
        seeds=1,
        num_personas=5,
        evaluate_at=(1, 2),
        model_name_or_path=str(tiny_model),
        allow_unmemorized=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        for module in ("curves", "meta_evaluation_cells"):
            patch.setattr(f"crossmem_hf.studies.{module}.MEMORIZING_REPLAYED", STEPS)
        return run_study(STUDY, chosen, tmp_path_factory.mktemp("meta"), console=Console(file=StringIO()))


def test_there_are_at_least_24_models_of_either_pool():
    grid = STUDY.grid(MetaEvaluationSettings())
    pools = [where["pool"] for where in grid]
    assert pools.count(PRESENT) == pools.count(ABSENT) == 25
    assert pools.count(UNLEARNED) == 7 * 5


def test_every_number_is_measured_in_both_modalities(record):
    assert record.failures == ()
    for target in ("image", "text"):
        for of in NAMES:
            for metric in (FAITHFUL, RELEARNING, ROUNDING):
                measured = record.one(metric, of=of, target=target) is not None
                assert measured == (of != "forget_quality" or metric == FAITHFUL), (metric, of)
        found = record.find("of_model", of="recall", target=target)
        changed = [one.where for one in found if "changed" in one.where]
        assert sorted((one["pool"], one["changed"]) for one in changed) == [
            (pool, change) for pool in (ABSENT, UNLEARNED) for change in ("relearned", "rounded")
        ]
    assert record.one("matched_step", pool=UNLEARNED, method="npo", seed=0).value == 2


def test_the_claims_are_of_numbers_that_are_measured(record):
    assert {one.n for one in record.verdicts} == {1}
