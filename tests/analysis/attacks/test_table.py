# SPDX-License-Identifier: Apache-2.0
"""What every attack keeps to: a prediction a row, the same ones for a seed, with columns that a metric reads."""

from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from crossmem_hf.analysis import attacks
from crossmem_hf.analysis.attacks.table import ATTACKS, Attack
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.training import tiny

ROWS = tiny.rows("p0", "p1", modality="mixed", views=2)


def test_table_names_a_function_of_every_file():
    files = {path.stem for path in Path(attacks.__path__[0]).glob("*.py")} - {"__init__", "table"}
    assert {place.partition(":")[0].rpartition(".")[2] for place in ATTACKS.places.values()} == files
    wanted = list(signature(Attack.__call__).parameters)[1:]
    for name, attack in ATTACKS.items():
        assert list(signature(attack).parameters)[: len(wanted)] == wanted, name
        assert import_module(attack.__module__).__doc__


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_answer_every_row_alike_for_a_seed(name):
    evaluator = Evaluator(ROWS, metrics=["recall", "exposure"], forgotten=["p1"], max_new_tokens=3)
    model = tiny.memorized().eval()
    first, second = (ATTACKS[name](evaluator, model, tiny.processor(), seed=7) for _ in range(2))
    assert first == second
    assert [one["row"] for one in first] == list(evaluator.questions.keys)
    assert {one.metric for one in first.measure(["recall", "exposure"])} >= {"recall", "exposure"}
