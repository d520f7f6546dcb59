# SPDX-License-Identifier: Apache-2.0
"""Planted learners: one that memorizes what it has just seen, one in bursts, and controls that must not be accused."""

import math

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from crossmem_hf.analysis.dynamics import (
    Dynamics,
    burstiness,
    first_forgotten,
    first_memorized,
    forgetting_events,
    groups_in_order,
    histogram,
    minimal_size,
    read_dynamics,
    recency_overlap,
)
from crossmem_hf.errors import CrossmemError

EXACT = np.array([[0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
IN_BATCH = np.array([[math.nan] * 4, [1, 0, 0, math.nan], [0, 1, 0, 1], [1, 0, 1, 0]])


def made(exact=EXACT, in_batch=IN_BATCH, steps=(0, 10, 20, 30), **columns):
    exact = np.asarray(exact, dtype=bool)
    return Dynamics(np.arange(exact.shape[1]), np.asarray(steps), exact, np.asarray(in_batch, dtype=float), columns)


def learner(*, recency, seed=0, sequences=200, evaluations=120, forgets=0.3):
    """Whoever is not memorized is, with a probability that may depend on whether it was in the batch of 20."""
    draw = np.random.default_rng(seed)
    exact = np.zeros((evaluations, sequences), dtype=bool)
    in_batch = np.full(exact.shape, math.nan)
    for one in range(1, evaluations):
        in_batch[one] = np.isin(np.arange(sequences), draw.permutation(sequences)[:20])
        chance = np.where(in_batch[one] == 1.0, 0.03 * recency, 0.03)
        learned = draw.random(sequences) < chance
        kept = draw.random(sequences) >= forgets
        exact[one] = np.where(exact[one - 1], kept, learned)
    return made(exact, in_batch, steps=range(evaluations))


def test_first_steps_and_events_are_counted_by_hand():
    dynamics = made()
    assert first_memorized(dynamics).tolist() == [10, 30, 0, math.inf]
    assert first_forgotten(dynamics).tolist() == [20, math.inf, 30, math.inf]
    assert forgetting_events(dynamics).tolist() == [1, 0, 1, 0]
    assert histogram(first_memorized(dynamics), dynamics) == {0: 1, 10: 1, 20: 0, 30: 1}
    assert histogram(first_forgotten(dynamics), dynamics) == {0: 0, 10: 0, 20: 1, 30: 1}


def test_a_table_comes_back_as_it_was(tmp_path):
    dynamics = made(kind=["a", "b", "a", None])
    parquet.write_table(dynamics.as_table(), tmp_path / "d.parquet")
    shuffled = dynamics.as_table().take(np.random.default_rng(0).permutation(16))
    for found in (read_dynamics(tmp_path / "d.parquet"), read_dynamics(shuffled)):
        for name in ("sequences_N", "steps_E", "exact_match_EN", "in_batch_EN"):
            np.testing.assert_array_equal(getattr(found, name), getattr(dynamics, name))
        assert found.columns == dynamics.columns
    assert dynamics.as_table()["in_batch"].to_pylist()[3:6] == [None, True, False]


def test_tables_that_are_not_whole_are_refused(tmp_path):
    table = made().as_table()
    for broken in (table.slice(1), pa.concat_tables([table, table.slice(0, 1)]), table.slice(0, 0)):
        with pytest.raises(CrossmemError, match="expected one of each"):
            read_dynamics(broken)
    with pytest.raises(CrossmemError, match=r"lacks \['in_batch'\]"):
        read_dynamics(table.drop_columns(["in_batch"]))
    (tmp_path / "no.parquet").write_text("nothing")
    for path in (tmp_path / "no.parquet", tmp_path / "none.parquet"):
        with pytest.raises(CrossmemError, match="Could not read"):
            read_dynamics(path)


def test_recency_is_counted_by_hand():
    """Newly memorized: 0 at 10 (of 0 and 1 at risk, one in the batch), 0 and 1 at 30 (of 0, 1, 3, one in it)."""
    found = recency_overlap(made())
    assert found.n == 3
    assert found.share == pytest.approx(2 / 3)
    assert found.chance == pytest.approx((1 / 2 + 1 / 3 + 1 / 3) / 3)
    assert found.excess == pytest.approx(found.share - found.chance)
    assert found.of_batch == pytest.approx(2 / 5)


def test_a_planted_recency_learner_is_found():
    found = recency_overlap(learner(recency=10))
    assert found.chance == pytest.approx(0.1, abs=0.02)
    assert found.ci[0] > 0.2


@pytest.mark.parametrize("seed", range(5))
def test_a_learner_without_recency_is_not_accused(seed):
    found = recency_overlap(learner(recency=1, seed=seed))
    assert found.ci[0] <= 0.0 <= found.ci[1]
    assert abs(found.excess) < 0.03


def test_a_shuffled_recency_learner_is_not_accused():
    """The same batches, and the same learning, of others."""
    dynamics = learner(recency=10)
    order = np.random.default_rng(1).permutation(dynamics.in_batch_EN.shape[1])
    found = recency_overlap(made(dynamics.exact_match_EN, dynamics.in_batch_EN[:, order], dynamics.steps_E))
    assert found.ci[0] <= 0.0 <= found.ci[1]


def test_recency_is_silent_where_a_batch_is_everything():
    everything = np.ones(EXACT.shape)
    found = recency_overlap(made(in_batch=everything))
    assert (found.share, found.chance, found.excess) == (1.0, 1.0, 0.0)
    with pytest.raises(CrossmemError, match="No sequence was newly memorized"):
        recency_overlap(made(in_batch=np.full(EXACT.shape, math.nan)))


def first_at(steps, evaluations=101):
    """Sequences that are memorized at these evaluations, and stay so."""
    exact = np.arange(evaluations)[:, None] >= np.asarray(steps)[None, :]
    return made(exact, np.zeros(exact.shape), steps=range(evaluations))


def test_planted_bursts_are_found():
    draw = np.random.default_rng(0)
    assert burstiness(first_at(np.repeat(draw.integers(1, 101, 40), 10))) > 5


@pytest.mark.parametrize("seed", range(3))
def test_independent_learners_are_no_burst(seed):
    """Evenly, and along a learning curve that rises and falls."""
    draw = np.random.default_rng(seed)
    assert burstiness(first_at(draw.integers(1, 101, 400))) == pytest.approx(1, abs=0.4)
    curve = np.clip(np.round(draw.normal(50, 15, 400)), 1, 100)
    assert burstiness(first_at(curve)) == pytest.approx(1, abs=0.4)


def test_burstiness_needs_events_at_equal_distances():
    uneven = made(steps=(0, 10, 20, 21))
    assert burstiness(uneven) == burstiness(made(EXACT[:3], IN_BATCH[:3], (0, 10, 20))) == 1.0
    for dynamics in (made(np.zeros((4, 4))), made(EXACT[:2], IN_BATCH[:2], (0, 10))):
        with pytest.raises(CrossmemError, match="at equal distances found"):
            burstiness(dynamics)


def test_groups_come_in_the_order_of_their_medians():
    dynamics = made(kind=["x", "x", "y", "z"])
    found = groups_in_order(dynamics, "kind")
    assert [group.name for group in found] == ["y", "x", "z"]
    assert [group.median_first for group in found] == [0, 20, math.inf]
    assert [(group.ever, group.last, group.forgettings, group.n) for group in found] == [
        (1.0, 0.0, 1.0, 1),
        (1.0, 1.0, 0.5, 2),
        (0.0, 0.0, 0.0, 1),
    ]
    assert all(group.ci[0] <= group.last <= group.ci[1] for group in found)
    halves = groups_in_order(made(kind=["x", "a", "a", "x"]), "kind")
    assert [group.median_first for group in halves] == [15, math.inf]
    with pytest.raises(CrossmemError, match="did you mean 'kind'"):
        groups_in_order(dynamics, "kinds")


def test_minimal_size_is_the_smallest_that_memorizes():
    assert minimal_size([8, 1, 4], [0.9, 0.94, 0.95]) == 4
    assert minimal_size([1, 2], [0.9, 0.9]) is None
    assert minimal_size([1, 2], [0.5, 0.9], threshold=0.5) == 1
    for sizes, shares in (([], []), ([1], [1, 1]), ([1, 1], [1, 1])):
        with pytest.raises(CrossmemError, match="expected one for each"):
            minimal_size(sizes, shares)
    for sizes, shares in (([1], [math.nan]), ([1], [95]), ([0], [1.0]), ([math.nan], [1.0])):
        with pytest.raises(CrossmemError, match="expected positive sizes"):
            minimal_size(sizes, shares)
