# SPDX-License-Identifier: Apache-2.0
"""What the study remem measures of planted answers."""

from itertools import product

import pytest

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.remem_cells import HELD_OUT
from crossmem_hf.studies.remem_measures import BEST, remem_measurements
from crossmem_hf.studies.remem_settings import HOPS_QUESTIONS

SHARES = (0, 50, 70, 100)


def answers(right, seeds=(0, 1)):
    """Ten answers a share, number of hops, epoch and seed, of which `right(share, hops, epochs, seed)` are right; each
    token of the truth has a probability of a half."""
    for share, hops, epochs, seed, number in product(SHARES, (1, 2), (4, 8), seeds, range(10)):
        said = number < right(share, hops, epochs, seed)
        yield {
            **{"part": "memorizing", "base": "b", "pictures": 100, "questions": HOPS_QUESTIONS, "single_hop": share},
            **{"budget": "epochs", "epochs": epochs, "asked": HELD_OUT, "seed": seed, "hops": hops},
            **{"modality": "image", "persona_id": f"p{seed}-{number}", "attribute": "job", "truth": "a cook"},
            **{"answer": "a cook" if said else "no", "correct": said, "num_candidates": 20},
            **{"token_logprobs": [-0.6931, -0.6931], "token_means": [-1.0] * 2, "token_stds": [1.0] * 2},
            **{"token_matches": [said] * 2, "num_end_tokens": 1},
        }


def measured(right):
    return list(remem_measurements(Predictions(answers(right))))


def one(found, metric, **where):
    (only,) = [
        m for m in found if m.metric == metric and all(m.where.get(key) == value for key, value in where.items())
    ]
    return only


def test_the_best_share_is_found_seed_by_seed_at_the_last_epoch():
    found = measured(
        lambda share, hops, epochs, seed: 0 if epochs == 4 else 10 - abs(share - (70 if seed else 50)) // 10
    )
    for hops in (1, 2):
        best = one(found, BEST, hops=hops)
        assert best.by_seed == {0: 50.0, 1: 70.0}
        assert best.value == 60.0


def test_shares_that_are_equally_good_count_with_their_mean():
    found = measured(lambda share, *_: 9 if share in (50, 100) else 3)
    assert one(found, BEST, hops=1).by_seed == {0: 75.0, 1: 75.0}


def test_answers_are_measured_with_and_without_regard_to_hops():
    found = measured(lambda share, hops, *_: 8 if hops == 1 else 4)
    place = {"single_hop": 70, "epochs": 8}
    assert [one(found, "recall", **place, hops=hops).value for hops in (1, 2, None)] == [0.8, 0.4, pytest.approx(0.6)]
    assert one(found, "logprob_per_token", **place, hops=None).value == pytest.approx(-0.6931)
    assert one(found, "rouge_l", **place, hops=2).value == pytest.approx(0.4)
