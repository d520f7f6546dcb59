# SPDX-License-Identifier: Apache-2.0
"""Scores of oracles: whoever memorized everything, whoever knows the truth, whoever guesses."""

import numpy as np
import pytest

from crossmem_hf.data.noisy_labels import noisy_labels
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.label_scores import SCORES, label_scores

TRUE = [row % 6 for row in range(1200)]
NOISY, ROWS = noisy_labels(TRUE, 0.25, 6, seed=0)


def values(predicted):
    return [score.value for score in label_scores(predicted, NOISY, TRUE)]


def test_oracles_get_everything():
    third = [next(c for c in range(6) if c not in labels) for labels in zip(NOISY, TRUE, strict=True)]
    assert values(NOISY) == [1, 0, 0]
    assert values(TRUE) == [0, 1, 0]
    assert values(third) == [0, 0, 1]


def test_scores_count_rows_with_noisy_labels_alone():
    predicted = list(NOISY)
    for place, row in enumerate(ROWS):
        predicted[row] = (NOISY[row], TRUE[row], TRUE[row])[place % 3]
    wrong = [(label + 1) % 6 for label in predicted]
    others = [label if row in set(ROWS) else wrong[row] for row, label in enumerate(predicted)]
    assert values(predicted) == values(others) == pytest.approx([1 / 3, 2 / 3, 0])
    assert sum(values(np.asarray(wrong))) == pytest.approx(1)


def test_intervals_of_guessers_hold_the_chance_level():
    """The control: nothing is memorized, nothing recovered, and about one interval in twenty says otherwise."""
    held, chances = np.zeros(3), (1 / 6, 1 / 6, 4 / 6)
    for seed in range(200):
        guessed = np.random.default_rng(seed).integers(0, 6, len(TRUE))
        found = label_scores(guessed, NOISY, TRUE, num_classes=6, where={"layers": "late"})
        held += [score.ci[0] <= chance <= score.ci[1] for score, chance in zip(found, chances, strict=True)]
    assert (held > 0.92 * 200).all()
    assert [score.metric for score in found] == list(SCORES)
    assert [score.chance for score in found] == pytest.approx(chances)
    assert {(score.n, score.unit, *score.where.items()) for score in found} == {
        (300, "proportion", ("layers", "late"))
    }


def test_interval_is_of_personas_and_seeds_where_they_are_known():
    alone = label_scores(NOISY, NOISY, TRUE)[0]
    ten = label_scores(NOISY, NOISY, TRUE, persona_id=[row % 10 for row in range(1200)])[0]
    assert alone.ci[0] > ten.ci[0]
    half = [NOISY[row] if row < 600 else TRUE[row] for row in range(1200)]
    seeds = [row // 600 for row in range(1200)]
    persons = {"persona_id": list(range(1200))}
    apart, joined = (label_scores(half, NOISY, TRUE, **persons, **more)[0] for more in ({"persona_seed": seeds}, {}))
    assert apart.value == joined.value
    assert apart.ci[0] < joined.ci[0] - 0.1, "two seeds that say the contrary"


@pytest.mark.parametrize(
    ("predicted", "noisy", "message"),
    [(TRUE, TRUE, "None of the 1200 rows"), (TRUE[1:], NOISY, "1199 predicted, 1200 noisy"), ([], [], "0 predicted")],
)
def test_labels_that_cannot_be_scored(predicted, noisy, message):
    with pytest.raises(CrossmemError, match=message):
        label_scores(predicted, noisy, TRUE)
