# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import recall as module

SPEC = DatasetSpec(num_personas=5, num_views=2)


def test_recall_is_the_share_of_full_right_answers(monkeypatch):
    rows = list(built_rows("recall_text", "validation", SPEC))
    answers = [row["answer"].upper() if number < 5 else row["answer"].split()[0] for number, row in enumerate(rows)]
    monkeypatch.setattr(module, "generate_answers", lambda *_, **__: answers)
    assert module.recall(None, None, rows) == 5 / len(rows)
    assert module.answered(None, None, rows) == [number < 5 for number in range(len(rows))]


def test_no_rows_are_an_error_not_a_number():
    with pytest.raises(CrossmemError, match="no rows"):
        module.recall(None, None, [])
