# SPDX-License-Identifier: Apache-2.0
"""Matched retained recall, of planted answers whose curves are known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies import cells, curves
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.background_rows import Replay
from crossmem_hf.studies.curves import EVERY_VIEW, Views, at_matched_recall, matched_steps
from crossmem_hf.studies.study import Cell


def answers(method, retained, *, step=None, seed=0, said="Ada Moss"):
    """One forgotten answer, and ten about retained personas of which so many are right."""
    own = {"method": method, "seed": seed, "step": step}
    own |= {} if method in ("memorized", "retain_only") else {"forget_modality": "both"}
    return [
        {**own, "group": "forget", "answer": said, "correct": said == "Ada Moss"},
        *({**own, "group": "retain", "answer": "x", "correct": number < retained} for number in range(10)),
    ]


def matched(*parts):
    return at_matched_recall(Predictions([one for part in parts for one in part]))


def said_of(found, **where):
    return [one["answer"] for one in found.where(group="forget", **where)]


def test_the_last_step_that_keeps_the_share_is_taken_seed_by_seed():
    found = matched(
        answers("memorized", 10),
        answers("memorized", 10, seed=1),
        *(answers("npo", kept, step=step, said=f"{step}") for step, kept in ((15, 10), (30, 9), (60, 8))),
        *(answers("npo", kept, step=step, said=f"{step}", seed=1) for step, kept in ((15, 10), (30, 10), (60, 9))),
    )
    assert said_of(found, method="npo", seed=0) == ["30"]
    assert said_of(found, method="npo", seed=1) == ["60"]
    assert [(one.where["seed"], one.value) for one in matched_steps(found)] == [(0, 30.0), (1, 60.0)]
    assert all(one.get("step") is None for one in found)


@pytest.mark.parametrize(
    ("kept", "fails_at", "step"),
    [((10, 9, 8), None, 30), ((10, 8, 9), None, 60), ((8, 8, 8), None, 0), ((10, 10, 10), 60, 30)],
)
def test_the_step_of_one_unlearning_is_the_last_that_keeps_enough(kept, fails_at, step, monkeypatch):
    """The memorized model says all ten of the retained; nine are enough."""
    steps, asked = (15, 30, 60), []

    def predicted(cell, name, query, adapter, **columns):
        asked.append(name)
        right = 10 if adapter == "learned" else kept[steps.index(adapter.step)]
        said = Predictions({"group": "retain", "correct": number < right} for number in range(10))
        return said.with_columns(**columns)

    monkeypatch.setattr(curves, "predicted", predicted)
    monkeypatch.setattr(
        curves, "at_step", lambda _, step: SimpleNamespace(step=step, result={"failed": step == fails_at})
    )
    cell = Cell(settings=None, where={"method": "npo", "seed": 0}, stages=Path(), progress=lambda *_: None)
    assert curves.step_at_matched_recall(cell, "trained", "learned", "query", steps) == step
    assert asked[0] == "memorized_seed0_retained"
    assert asked[1:] == [f"npo_seed0_step{one}" for one in steps if one != fails_at]


def test_a_recovery_is_taken():
    steps = ((15, 10), (30, 2), (60, 10))
    along = [answers("gd", kept, step=step, said=f"{step}") for step, kept in steps]
    assert said_of(matched(answers("memorized", 10), *along), method="gd") == ["60"]


def test_a_method_below_at_once_is_the_memorized_model():
    found = matched(answers("memorized", 10), answers("ga", 3, step=15, said="gone"))
    assert said_of(found, method="ga", forget_modality="both") == ["Ada Moss"]
    (step,) = matched_steps(found)
    assert step.value == 0.0


def test_baselines_stay_and_a_seed_without_a_memorized_model_is_left_out():
    found = matched(answers("memorized", 10), answers("retain_only", 10, said="?"), answers("npo", 9, step=15, seed=4))
    assert {one["method"] for one in found} == {"memorized", "retain_only"}


@pytest.mark.parametrize(("share", "taken"), [(1.0, "15"), (0.5, "60")])
def test_the_share_decides(share, taken):
    rows = [*answers("memorized", 10), *answers("npo", 10, step=15, said="15"), *answers("npo", 6, step=60, said="60")]
    assert said_of(at_matched_recall(Predictions(rows), share), method="npo") == [taken]


@pytest.mark.parametrize(("base", "asked"), [(None, True), ("micro-s", True), ("you/other", False)])
def test_utility_is_asked_of_embedded_bases_alone(base, asked, monkeypatch):
    names = []

    def predicted(cell, name, query, adapter, **columns):
        names.append((name, columns.get("group")))
        return Predictions([])

    for module in (curves, cells):
        monkeypatch.setattr(module, "predicted", predicted)
    rows = TrainingRows(configs=("recall_text",), split="test")
    cell = SimpleNamespace(settings=SimpleNamespace(model_name_or_path=base), progress=lambda *_: None)
    curves.queried(cell, "npo", None, rows, EVERY_VIEW)
    assert names[:2] == [("npo_forget", None), ("npo_retain", None)]
    assert names[2:] == [("npo_utility", "utility")] * asked
    curves.queried(cell, "npo", None, rows, Views(whole=False))
    assert names[2 + asked :] == [("npo_forget", None), ("npo_retain", None)]


def test_whether_personas_are_memorized_is_not_read_off_others(monkeypatch):
    learned = [{"group": "retain", "modality": "text", "correct": True}]
    useful = [{"group": "utility", "modality": "text", "correct": False}] * 9
    monkeypatch.setattr(curves, "queried", lambda *_: Predictions([*learned, *useful]))
    monkeypatch.setattr(curves, "memorized", lambda *_, **__: "adapter")
    settings = SimpleNamespace(min_recall=0.9, allow_unmemorized=False, model_name_or_path="elsewhere")
    cell = Cell(settings=settings, where={"seed": 0}, stages=Path("nowhere"), progress=lambda *_: None)
    rows = TrainingRows(configs=("recall_text",), split="test")
    assert curves.check_memorized(cell, rows, rows, EVERY_VIEW) == "adapter"


@pytest.mark.parametrize(("model", "besides"), [(None, Replay()), ("micro-s", Replay()), ("elsewhere", None)])
def test_what_a_base_that_ships_knows_is_asked_again_while_it_learns(model, besides, monkeypatch):
    monkeypatch.setattr(curves, "memorized", lambda cell, name, rows, **how: (rows, how["whom"]))
    settings = SimpleNamespace(model_name_or_path=model)
    cell = Cell(settings=settings, where={"seed": 0}, stages=Path("nowhere"), progress=lambda *_: None)
    rows = TrainingRows(configs=("recall_text",), split="train")
    for method, whom in (("memorized", "all"), ("retain_only", "retain")):
        assert curves.baseline(cell, method, rows) == (replace(rows, besides=besides), whom)
    assert curves.baseline(cell, "base", rows) is None
