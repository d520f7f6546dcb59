# SPDX-License-Identifier: Apache-2.0
"""What a model was pushed away from is found by that; what it knows, or never knew, is not."""

import pytest

from crossmem_hf.analysis.attacks.avoided import avoided
from tests.analysis.attacks.test_ranked import OTHERS, evaluator, weighing  # noqa: F401 (a fixture)


def test_a_name_that_is_less_likely_than_all_others_is_found(weighing):  # noqa: F811
    weighing(lambda row, text: 9.0 if text == row["answer"] else 2.0)
    found = avoided(evaluator(untaught=OTHERS), None, None, among=(3, 21))
    assert {(one["extracted"], one["num_options"]) for one in found} == {(True, 3)}
    assert found.measure(["extracted"], by=())[0].chance == pytest.approx(1 / 3)


@pytest.mark.parametrize("truth", [1.0, 2.0])
def test_names_that_are_known_or_as_likely_as_others_are_not_accused(weighing, truth):  # noqa: F811
    weighing(lambda row, text: truth if text == row["answer"] else 2.0)
    assert not any(one["extracted"] for one in avoided(evaluator(untaught=OTHERS), None, None, among=(3,)))
