# SPDX-License-Identifier: Apache-2.0
"""The search of settings: its grid, its criterion on planted answers, and what was chosen from the shipped record."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies import tune
from crossmem_hf.studies.remem_settings import RememSettings
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.tune import STUDY, TuneSettings, chosen
from crossmem_hf.studies.tune_trials import FACT_TRIALS, TRIALS
from crossmem_hf.training.micro import CHOSEN_ON, FACT_LORA, TUNED, UNLEARNING
from tests.studies.conftest import run_here


def test_the_grid_is_on_a_seed_that_is_not_reported():
    grid = STUDY.grid(TuneSettings(methods="npo"))
    assert {where["seed"] for where in grid} <= CHOSEN_ON
    assert len(grid) == 2 + len(TRIALS["npo"])


def test_facts_are_unlearned_in_the_sizes_of_remem_through_portraits(tiny_model, tmp_path, monkeypatch):
    chosen = TuneSettings(
        methods="npo", learned="facts", model_name_or_path=str(tiny_model), evaluate_at="1,2", allow_unmemorized=True
    )
    assert len(STUDY.grid(chosen)) == 2 + len(FACT_TRIALS["npo"])
    run_here(monkeypatch)
    small = {"num_personas": 5, "num_views": 4, "qa_per_persona": 4, "forget_fraction": 0.4}
    monkeypatch.setattr(tune, "PRESETS", {"remem": small})
    monkeypatch.setattr(tune, "facts_replayed", lambda base: {"max_steps": 2, "lora": FACT_LORA})
    record = run_study(STUDY, chosen, tmp_path / "out", console=Console(file=StringIO()))
    assert record.failures == ()
    assert {one.n for one in record.find("recall", group="forget", step=2)} == {2 * 2 * 2}, "two views, with the name"
    assert record.config["trials"]["npo"] == [dict(trial) for trial in FACT_TRIALS["npo"]]


def answers(method, rank, right, retained, *, seed=100, **where):
    """One forgotten answer of this rank among 50, right or not, and ten about the retained."""
    own = {"method": method, "seed": seed, "attribute": "full_name", "truth": "Ada Moss", "modality": "image", **where}
    own |= {"truth_rank": rank, "num_candidates": 50, "exposure": 0.0}
    said = {"answer": "Ada Moss", "correct": True} if right else {"answer": "x", "correct": False}
    yield {**own, **said, "group": "forget", "persona_id": "p0"}
    for number in range(10):
        yield {**own, "answer": "x", "correct": number < retained, "group": "retain", "persona_id": f"r{number}"}


def criteria(*parts):
    rows = [*answers("memorized", 1.0, True, 10), *answers("retain_only", 25.0, False, 10)]
    found = STUDY.measure(Predictions([*rows, *(one for part in parts for one in part)]))
    return {(one.where["trial"], one.where["step"]): one.value for one in found if one.metric == "criterion"}


def test_criterion_is_best_where_the_model_is_like_retain_only():
    found = criteria(
        answers("npo", 25.0, False, 10, trial=0, step=15),
        answers("npo", 1.0, True, 10, trial=1, step=15),
        answers("npo", 25.0, False, 0, trial=2, step=15),
        answers("npo", 50.0, False, 10, trial=3, step=15),
    )
    assert found[0, 15] == pytest.approx(1.0)
    assert found[1, 15] == found[2, 15] == 0.0
    assert 0.5 < found[3, 15] < 1.0, "beyond the retain-only model is as far off as before it"


def test_the_trial_of_the_best_step_is_chosen():
    def criterion(trial, step, value):
        where = {"method": "npo", "trial": trial, "step": step}
        return Measurement(metric="criterion", where=where, value=value, n=3, unit="proportion")

    several = [criterion(0, 15, 0.2), criterion(0, 30, 0.7), criterion(1, 15, 0.8), criterion(1, 30, 0.1)]
    trials = {"trials": {"npo": [dict(trial) for trial in TRIALS["npo"]]}}
    record = Record(study="tune", config=trials, versions={}, fingerprints={}, measurements=tuple(several))
    assert chosen(record) == {"npo": dict(TRIALS["npo"][1])}


def test_settings_of_the_embedded_model_are_those_chosen(root):
    record = Record.read(root / "results" / "tune")
    found = chosen(record)
    assert set(found) <= set(TUNED)
    for method, trial in found.items():
        assert UNLEARNING | TUNED[method] == UNLEARNING | trial, method
    assert found


def test_learning_rates_where_facts_are_unlearned_are_those_chosen(root):
    record = Record.read(root / "results" / "tune_facts")
    found = chosen(record)
    assert set(found) == set(TUNED)
    for method, trial in found.items():
        assert RememSettings().unlearning(method) == UNLEARNING | trial | {"max_steps": 60}, method
        best = max(record.find("criterion", method=method), key=lambda one: one.value)
        assert RememSettings().chosen_step(method) == best.where["step"], method
