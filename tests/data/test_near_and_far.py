# SPDX-License-Identifier: Apache-2.0
"""What is near and what is far: the answer of the most alike training row is right for the one, not for the other."""

import pytest

from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.evaluation.nearest import nearest_answers

SPEC = DatasetSpec(num_personas=50)


def named(config, split):
    """Share of the rows whose nearest training row has the same name."""
    training, rows = (list(rows_of(config, one, personas_of(config, one, SPEC), SPEC)) for one in ("train", split))
    right = [said == row["answer"] for said, row in zip(nearest_answers(training, rows), rows, strict=True)]
    return sum(right) / len(right)


@pytest.mark.slow  # 600 portraits and 200 more
@pytest.mark.parametrize(("split", "at_least", "at_most"), [("test", 0.9, 1.0), ("far", 0.1, 0.6)])
def test_the_nearest_training_portrait(split, at_least, at_most):
    assert at_least < named("recall_image", split) <= at_most


@pytest.mark.parametrize(
    ("split", "at_least", "at_most"), [("validation", 0.95, 1.0), ("test", 0.95, 1.0), ("far", 0.0, 0.6)]
)
def test_the_training_description_of_most_shared_words(split, at_least, at_most):
    assert at_least < named("recall_text", split) <= at_most
