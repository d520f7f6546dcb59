# SPDX-License-Identifier: Apache-2.0
"""Faithfulness and robustness of planted numbers: what sees everything, what is blind, and what is masked."""

import pytest

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.meta_evaluation_cells import ABSENT, PRESENT, RELEARNED, ROUNDED, UNLEARNED, USUAL
from crossmem_hf.studies.meta_evaluation_measures import (
    FAITHFUL,
    RELEARNING,
    ROUNDING,
    TRUST,
    auroc,
    harmonic_mean,
    meta_evaluation_measurements,
)
from tests.studies.test_compare import prediction


def answered(share, pool, *, seed=0, **where):
    """Ten answers of a model, this share of them right."""
    for number in range(10):
        right = number < round(10 * share)
        row = prediction("Ada Moss" if right else "x", "npo", persona=f"p{number}", modality="image")
        row = {name: value for name, value in row.items() if name not in ("method", "forget_modality")}
        yield {**row, "correct": right, "pool": pool, "seed": seed, **where}


def found(present, absent, unlearned=(), *, seeds=1):
    """Of recall: name -> measurement.

    Args:
        present, absent: Shares of models, the usual one first.
        unlearned: Shares before any change, relearned and rounded, of an unlearned and of the usual absent model.
    """
    rows = []
    for seed in range(seeds):
        for pool, shares in ((PRESENT, present), (ABSENT, absent)):
            for number, share in enumerate(shares):
                rows += answered(share, pool, seed=seed, way=USUAL if number == 0 else f"way{number}")
        for (pool, where), shares in zip(
            ((UNLEARNED, {"method": "npo", "matched_step": 30}), (ABSENT, {"way": USUAL})), unlearned, strict=False
        ):
            for changed, share in zip((None, RELEARNED, ROUNDED), shares, strict=True):
                if pool == UNLEARNED or changed is not None:
                    rows += answered(share, pool, seed=seed, changed=changed, **where)
    measured = meta_evaluation_measurements(Predictions(rows))
    return {one.metric: one for one in measured if one.where.get("of") == "recall"}


def test_a_number_that_sees_all_and_one_that_sees_nothing():
    assert found([1.0, 0.8], [0.0, 0.2])[FAITHFUL].value == 1.0
    assert found([0.5, 0.5], [0.5, 0.5])[FAITHFUL].value == 0.5
    assert found([0.0, 0.2], [1.0, 0.8])[FAITHFUL].value == 0.0
    assert found([1.0, 0.2], [0.5, 0.0])[FAITHFUL].value == 0.75


@pytest.mark.parametrize(
    ("unlearned", "never", "relearning", "rounding"),
    [
        ((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), 0.0, 1.0),  # masked, and brought back by relearning
        ((0.0, 0.0, 0.5), (0.0, 0.0, 0.0), 1.0, 0.5),  # half of it by rounding
        ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0), 1.0, 1.0),  # the retain-only model learns it as well
        ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 1.0, 1.0),  # seen before
        ((0.5, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 1.0),  # what falls hides nothing
    ],
)
def test_what_a_change_brings_back_was_not_seen(unlearned, never, relearning, rounding):
    one = found([1.0], [0.0], (unlearned, never))
    assert one[RELEARNING].value == pytest.approx(relearning)
    assert one[ROUNDING].value == pytest.approx(rounding)
    assert one[TRUST].value == pytest.approx(harmonic_mean([1.0, harmonic_mean([relearning, rounding])]))


def test_a_number_that_tells_nothing_is_not_robust_either():
    one = found([0.5], [0.5], ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    assert (one[FAITHFUL].value, one[RELEARNING].value, one[TRUST].value) == (0.5, 0.0, 0.0)


def test_seeds_are_kept_apart_and_give_the_interval():
    one = found([1.0], [0.0], seeds=3)[FAITHFUL]
    assert one.by_seed == {0: 1.0, 1: 1.0, 2: 1.0}
    assert one.ci is None, "all alike"
    assert one.chance == 0.5


def test_auroc_of_equal_values_is_a_half():
    assert auroc([1.0, 0.0], [1.0, 0.0]) == 0.5
    assert harmonic_mean([None, 0.5]) is None
