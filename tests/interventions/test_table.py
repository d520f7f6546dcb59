# SPDX-License-Identifier: Apache-2.0
"""What every defense keeps to: it is made from a model and rows, and the model it was made from stays as it was."""

from pathlib import Path

import pytest
import torch

from crossmem_hf import interventions
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.interventions.table import DEFENSES, Defense
from tests.training import tiny


def test_table_names_a_function_of_every_file():
    files = {path.stem for path in Path(interventions.__path__[0]).glob("*.py")}
    files -= {"__init__", "table", "auxiliary"} | {
        "access_control",
        "documents",
        "layer_norm",
        "mixed_adapters",
    }  # no rows to forget
    assert {place.partition(":")[0].rpartition(".")[2] for place in DEFENSES.places.values()} == files


@pytest.mark.parametrize("name", DEFENSES)
def test_defenses_leave_the_model_as_it_is(name):
    model, rows = tiny.memorized().eval(), tiny.rows("p0", "p1")
    before = tiny.weights(model)
    evaluator = Evaluator(rows, metrics=["recall"], max_new_tokens=3)
    queried, defended = DEFENSES[name](model, tiny.processor(), rows.select([0])).applied(evaluator, model)
    assert len(queried(defended, tiny.processor())) == len(rows)
    assert all(torch.equal(before[name], weight) for name, weight in tiny.weights(model).items())


def test_defense_that_changes_nothing_is_no_change():
    evaluator = Evaluator(tiny.rows("p0"), metrics=["recall"])
    assert Defense().applied(evaluator, "model") == (evaluator, "model")
    assert Defense(prepare=str.upper).applied(evaluator, "model") == (evaluator, "MODEL")
