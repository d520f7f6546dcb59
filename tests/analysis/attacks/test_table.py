# SPDX-License-Identifier: Apache-2.0
"""What every attack keeps to: a prediction a row, the same ones for a seed, with columns that a metric reads."""

from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from peft import get_peft_model

from crossmem_hf.analysis import attacks
from crossmem_hf.analysis.attacks.table import ATTACKS, Attack
from crossmem_hf.data.loading import load_rows
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.loading import load_model
from crossmem_hf.training.memorize import language_lora

FEW = {"num_personas": 2, "forget_fraction": 0.5, "num_views": 1, "image_size": 48}
ASKED = {"named_first": ("two_hop_test", "two_hop"), "multi_hop": ("qa_test", "retain")}
"""Attacks that ask for something else than names -> what."""
LAYERED = ("early_exit", "tuned_lens")
"""Attacks on models of several layers; the tiny one has a single one."""
HELPING = {"__init__", "learned", "sign_descent", "spare_words", "table", "two_steps", "variants", "weights"}


def test_table_names_a_function_of_every_file():
    files = {path.stem for path in Path(attacks.__path__[0]).glob("*.py")} - HELPING
    assert {place.partition(":")[0].rpartition(".")[2] for place in ATTACKS.places.values()} == files | {"relearning"}
    wanted = list(signature(Attack.__call__).parameters)[1:]
    for name, attack in ATTACKS.items():
        assert list(signature(attack).parameters)[: len(wanted)] == wanted, name
        assert import_module(attack.__module__).__doc__


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_answer_every_row_alike_for_a_seed(name, tiny_model):
    rows = load_rows(None, *ASKED.get(name, ("recall_image", "test")), **FEW).select(range(6))
    lists = {row["attribute"]: row["values"] for row in load_rows(None, "candidates", "target", **FEW)}
    forgotten = {rows[0]["persona_id"]}
    evaluator = Evaluator(
        rows, metrics=["recall", "exposure"], candidates=lists, forgotten=forgotten, max_new_tokens=3
    )
    model = load_model("micro-s" if name in LAYERED else str(tiny_model))
    if name == "rescaled":
        model = get_peft_model(model[0], language_lora()).eval(), model[1]
    first, second = (ATTACKS[name](evaluator, *model, seed=7) for _ in range(2))
    assert first == second
    assert [one["row"] for one in first] == list(evaluator.questions.keys)
    assert {one.metric for one in first.measure(["recall", "exposure"])} >= {"recall", "exposure"}
