# SPDX-License-Identifier: Apache-2.0
"""Numbers of planted trainings."""

import numpy as np
import pytest

from crossmem_hf.analysis.dynamics import Dynamics
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.dynamics_measures import of_sequences, of_training, sequences_measured

SCRIPT = np.array([[0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 0, 1]], dtype=bool)
KINDS = ["monotone", "monotone", "random_digits", "random_digits"]


def planted(script=SCRIPT, in_batch=0.0):
    shape = script.shape
    steps, places = np.arange(0, 10 * shape[0], 10), np.arange(shape[1])
    return Dynamics(places, steps, script, np.full(shape, in_batch), {"kind": KINDS})


def test_sequences_say_when_how_often_and_whether_still():
    rows = list(of_sequences(planted(), "train"))
    assert [row["first_memorized"] for row in rows] == [10, 20, 30, 0]
    assert [row["ever_memorized"] for row in rows] == [True, True, False, True]
    assert [row["forgettings"] for row in rows] == [1, 0, 0, 1]
    assert [row["memorized"] for row in rows] == [False, True, False, True]
    assert {row["split"] for row in rows} == {"train"}


def test_numbers_are_means_over_seeds():
    rows = [
        {**row, "seed": seed, "size": "s", "part": "patterns"}
        for seed, script in enumerate((SCRIPT, ~SCRIPT))
        for row in of_sequences(planted(script), "train")
    ]
    found = {(one.metric, one.where["kind_of_pattern"]): one for one in sequences_measured(Predictions(rows))}
    assert found["memorized_by", "monotone"].by_seed == {0: 15.0, 1: 0.0}
    assert found["memorized_by", "monotone"].value == 7.5
    assert found["memorized", "random_digits"].by_seed == {0: 0.5, 1: 0.5}
    assert found["memorized", "random_digits"].ci is None, "equal seeds set no interval"
    assert found["forgettings", "random_digits"].n == 3, "one that never was memorized cannot be forgotten"


def test_of_people_numbers_are_by_attribute_modality_and_hops():
    about = {"attribute": ["full_name", "full_name", "job", "job"], "modality": ["image", "text"] * 2, "hops": [1] * 4}
    found = []
    for seed in range(2):
        one = planted()
        followed = Dynamics(one.sequences_N, one.steps_E, one.exact_match_EN, one.in_batch_EN, about)
        found += [{**row, "seed": seed, "part": "personas"} for row in of_sequences(followed, "train")]
    numbers = {
        (one.metric, one.where["attribute"], one.where["modality"]): one.value
        for one in sequences_measured(Predictions(found))
    }
    assert numbers["memorized_by", "full_name", "image"] == 10
    assert numbers["memorized_by", "full_name", "text"] == 20
    assert numbers["memorized", "job", "text"] == 1.0
    assert ("forgettings", "job", "image") not in numbers, "never memorized"


def test_a_training_that_memorized_nothing_has_no_bursts():
    assert list(of_training(planted(np.zeros_like(SCRIPT)), {"size": "s", "seed": 0})) == []


def test_recency_is_left_out_where_every_interval_holds_an_epoch():
    known = {one.metric for one in of_training(planted(in_batch=1.0), {"size": "s", "seed": 0})}
    assert known == {"burstiness"}
    (burst, recency) = of_training(planted(in_batch=0.0), {"size": "s", "seed": 0})
    assert (recency.metric, recency.value) == ("recency_excess", 0.0)
    assert burst.value == pytest.approx(0.375)  # one, one, none: squared differences 0 and 1, over twice the mean 2/3
