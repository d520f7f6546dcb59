# SPDX-License-Identifier: Apache-2.0
"""The trials of the search: as many for each method, all different, all settings that its config takes."""

import pytest

from crossmem_hf.studies.tune_trials import TRIALS
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.methods import METHODS


def test_every_method_has_as_many_trials():
    assert set(TRIALS) == set(METHODS)
    assert {len(trials) for trials in TRIALS.values()} == {12}
    assert all(len({repr(trial) for trial in trials}) == 12 for trials in TRIALS.values())


@pytest.mark.parametrize("method", TRIALS)
def test_every_trial_is_taken_by_its_method(method, tmp_path):
    for trial in TRIALS[method]:
        config = UnlearnConfig(str(tmp_path), method=method, report_to="none", **trial)
        assert {name: getattr(config, name) for name in trial} == trial
