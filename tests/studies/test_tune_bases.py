# SPDX-License-Identifier: Apache-2.0
"""The search of learning rates: its grid, and the choice from planted answers."""

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Record
from crossmem_hf.studies.tune_bases import STUDY, TRIALS, TuneBasesSettings, chosen
from crossmem_hf.training.micro import CHOSEN_ON, settings_of


def test_every_base_has_as_many_trials_of_each_kind():
    grid = STUDY.grid(TuneBasesSettings(bases="micro-s"))
    assert {where["seed"] for where in grid} == CHOSEN_ON
    assert len({len(rates) for rates in TRIALS.values()}) == 1
    sources = [(where["learned"], where["source"]) for where in grid if where["seed"] == 100 and where["trial"] == 0]
    assert sorted(sources) == [("facts", "image"), ("names", "image"), ("names", "text")]


def answers(what, trial, right, of=4):
    about = {"base": "micro-s", "learned": what, "trial": trial, "seed": 100, "attribute": "job", "truth": "vet"}
    return [
        {**about, "persona_id": f"p{number}", "modality": "image", "answer": "vet", "correct": number < right}
        for number in range(of)
    ]


def record(*parts):
    found = STUDY.measure(Predictions([one for part in parts for one in part]))
    return Record(study="tune_bases", config={}, versions={}, fingerprints={}, measurements=tuple(found))


def test_the_rate_of_the_greatest_recall_is_chosen():
    parts = [answers("names", 0, 1), answers("names", 1, 3), answers("names", 2, 3), answers("facts", 3, 2)]
    assert chosen(record(*parts)) == {"micro-s": (TRIALS["names"][1], TRIALS["facts"][3])}


def test_a_base_of_which_one_kind_was_not_tried_has_no_choice():
    assert chosen(record(answers("names", 0, 1))) == {}


def test_bases_learn_with_the_rates_that_were_chosen(root):
    found = chosen(Record.read(root / "results" / "tune_bases"))
    assert set(found) >= {"micro-s", "micro-m"}
    for base, rates in found.items():
        suited = settings_of(base)
        assert (suited.memorizing["learning_rate"], suited.memorizing_facts["learning_rate"]) == rates, base
