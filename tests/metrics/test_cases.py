# SPDX-License-Identifier: Apache-2.0
"""The test cases that every Space carries: the metric, loaded as anybody would, gives what they say."""

import runpy

import pytest

from tests.metrics.conftest import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_cases_of_a_space_hold(evaluate, spaces, monkeypatch, name):
    monkeypatch.chdir(spaces)
    cases = runpy.run_path(str(spaces / "crossmem" / name / "tests.py"))["test_cases"]
    assert cases
    for case in cases:
        wanted = case["result"]
        found = evaluate.load(f"crossmem/{name}").compute(**{key: case[key] for key in case if key != "result"})
        assert wanted
        assert {key: found[key] for key in wanted} == pytest.approx(wanted)
