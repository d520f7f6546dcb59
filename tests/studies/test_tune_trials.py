# SPDX-License-Identifier: Apache-2.0
"""The trials of the search: as many for each method, all different, all settings that its config takes."""

import pytest

from crossmem_hf.studies.tune_trials import FACT_TRIALS, TRIALS
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.methods import METHODS


@pytest.mark.parametrize(("tried", "count"), [(TRIALS, 12), (FACT_TRIALS, 4)])
def test_every_method_has_as_many_trials(tried, count):
    assert set(tried) == set(METHODS)
    assert {len(trials) for trials in tried.values()} == {count}
    assert all(len({repr(trial) for trial in trials}) == count for trials in tried.values())


@pytest.mark.parametrize("method", TRIALS)
def test_every_trial_is_taken_by_its_method(method, tmp_path):
    for trial in (*TRIALS[method], *FACT_TRIALS[method]):
        config = UnlearnConfig(str(tmp_path), method=method, report_to="none", **trial)
        assert {name: getattr(config, name) for name in trial} == trial
