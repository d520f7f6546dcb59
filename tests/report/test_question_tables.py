# SPDX-License-Identifier: Apache-2.0
"""The tables of what questions taught: each number in its place, and no other row."""

from crossmem_hf.report.question_tables import composition_table, left_table
from tests.report.test_record import measurement


def learned(value, metric="recall", **more):
    where = {
        **{"part": "memorizing", "base": "micro-s", "pictures": 100, "questions": 100, "single_hop": 70},
        **{"budget": "epochs", "epochs": 8, "asked": "held-out"},
    }
    return measurement(metric, where=where | more, value=value, ci=None)


def left(value, method, metric="recall", **more):
    where = {"part": "unlearning", "base": "micro-m", "forget": 20, "method": method} | more
    return measurement(metric, where=where, value=value, ci=None)


def test_compositions_stand_by_their_size_and_at_their_end():
    steps = {"budget": "steps", "epochs": None}
    found = [
        learned(0.9, hops=1),
        learned(0.8, hops=2),
        learned(0.1, hops=1, epochs=2),
        learned(0.3, hops=1, questions=20),
        learned(0.4, hops=1, questions=20, **steps),
        learned(0.95, hops=1, asked="training"),
        learned(0.97, "rouge_l"),
        learned(0.88, "inverse_perplexity"),
        learned(500.0, "steps", epochs=None, asked=None),
    ]
    found = [
        one.model_copy(update={"where": {key: value for key, value in one.where.items() if value is not None}})
        for one in found
    ]
    table = composition_table(found, "micro-s", 8)
    assert table.rows[:3] == (
        ("100", "20", "70", "epochs", "8", "–", "30", "–", "–"),
        ("100", "100", "70", "epochs", "8", "95", "90", "80", "97 / 88"),
        ("100", "20", "70", "steps", "–", "–", "40", "–", "–"),
    )
    assert len(table.rows) == 4, "costs have no row, guessing has one"
    assert composition_table(found, "micro-m", 8) is None


def test_models_stand_in_their_order_with_what_is_left():
    seen = {"target": "image", "asked": "held-out", "group": "forget"}
    found = [
        left(0.0, "npo", **seen),
        left(0.5, "npo", **(seen | {"target": "text"})),
        left(0.97, "memorized", **seen),
        left(85.0, "memorized", "exposure", **(seen | {"asked": "statement"})).model_copy(update={"unit": "exposure"}),
        left(0.9, "npo", target="image", asked="training", group="retain", hops=2),
        left(0.7, "npo", "utility"),
        left(0.2, "npo", **seen, transplanted="mlp", layers="all"),
        left(0.3, "gd", **(seen | {"forget": 5})),
    ]
    table = left_table(found, ("memorized", "npo", "gd"))
    assert [row[:3] for row in table.rows[:-1]] == [
        ("micro-m", "20", "memorized"),
        ("micro-m", "20", "npo"),
        ("micro-m", "5", "gd"),
    ]
    by_head = dict(zip(table.heads, zip(*table.rows, strict=True), strict=True))
    assert by_head["EM new portraits"][:3] == ("97", "0", "30")
    assert by_head["descriptions"][:3] == ("–", "50", "–")
    assert by_head["Exposure by statement"][0] == "85"
    assert by_head["EM retained, not named"][1] == "90"
    assert by_head["utility"][1] == "70"
    assert left_table(found, ("rmu",)) is None
