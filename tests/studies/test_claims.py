# SPDX-License-Identifier: Apache-2.0
"""Claims with planted truths: what is there is supported, its opposite contradicted, nothing inconclusive."""

from dataclasses import replace

import numpy as np
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import MIN_SEEDS, Claim, t_interval, verdict

CLAIM = Claim(
    sentence="Unlearning lowers recall.",
    paper="planted",
    contrast=lambda find: find("recall", stage="memorized") - find("recall", stage="unlearned"),
    threshold=0.1,
)


def recalls(effects, noise=0.0, start=0):
    """Two measurements a seed whose difference is the seed's effect."""
    return [
        Measurement(
            metric="recall", where={"stage": stage, "seed": start + seed}, value=value, n=10, unit="proportion"
        )
        for seed, effect in enumerate(effects)
        for stage, value in (("memorized", 0.9 + noise * seed), ("unlearned", 0.9 + noise * seed - effect))
    ]


def test_verdict_supports_a_planted_effect():
    found = verdict(CLAIM, recalls([0.5, 0.55, 0.6, 0.52, 0.58], noise=0.01), range(5))
    assert (found.verdict, found.n, found.reason) == ("supported", 5, "")
    assert found.effect == pytest.approx(0.55)
    assert found.ci[0] < 0.55 < found.ci[1]
    assert (found.sentence, found.paper, found.threshold) == (CLAIM.sentence, "planted", 0.1)


def test_verdict_contradicts_the_opposite():
    assert verdict(CLAIM, recalls([-0.5, -0.55, -0.6, -0.52, -0.58]), range(5)).verdict == "contradicted"
    below = replace(CLAIM, direction="below")
    assert verdict(below, recalls([0.5, 0.55, 0.6, 0.52, 0.58]), range(5)).verdict == "contradicted"
    assert verdict(below, recalls([-0.5, -0.55, -0.6, -0.52, -0.58]), range(5)).verdict == "supported"


def test_verdict_is_inconclusive_where_the_threshold_lies_inside():
    found = verdict(CLAIM, recalls([0.0, 0.3, -0.1, 0.2, 0.1]), range(5))
    assert (found.verdict, found.reason) == ("inconclusive", "The interval includes the threshold.")


@pytest.mark.parametrize("n", [1, 2, 3, MIN_SEEDS - 1])
def test_verdict_of_few_seeds_is_inconclusive(n):
    effects = [0.5 + 0.01 * seed for seed in range(n)]
    found = verdict(CLAIM, recalls(effects), range(n))
    assert (found.verdict, found.n, found.effect) == ("inconclusive", n, pytest.approx(sum(effects) / n))
    assert f"at least {MIN_SEEDS}" in found.reason
    assert (found.ci is None) == (n == 1)


def test_verdict_is_not_certain_where_seeds_agree_to_the_last_digit():
    found = verdict(replace(CLAIM, threshold=0.05), recalls([0.0] * 5, noise=0.0), range(5))
    assert (found.effect, found.ci, found.verdict) == (0.0, None, "inconclusive")
    assert found.reason == "All seeds gave the same effect, which sets no interval."


def test_verdict_counts_only_seeds_that_were_measured():
    found = verdict(CLAIM, recalls([0.48, 0.49, 0.5, 0.51, 0.52]), range(7))
    assert (found.n, found.verdict, found.reason) == (5, "supported", "Not measured in 2 of 7 seeds.")
    nothing = verdict(CLAIM, [], range(5))
    assert (nothing.n, nothing.effect, nothing.ci, nothing.verdict) == (0, None, None, "inconclusive")


def test_verdict_skips_contrasts_that_are_no_number():
    for contrast in (lambda find: 1 / 0, lambda find: float("nan"), lambda find: None):
        assert verdict(replace(CLAIM, contrast=contrast), recalls([0.5] * 5), range(5)).n == 0


def test_verdict_does_not_take_pooled_measurements_for_a_seed():
    pooled = [replace_where(m, {"stage": m.where["stage"]}) for m in recalls([0.5])]
    assert verdict(CLAIM, pooled, range(5)).n == 0


def test_verdict_reads_the_values_of_seeds_that_pooled_measurements_keep():
    effects = [0.4, 0.5, 0.6, 0.5, 0.5]
    apart = recalls(effects)
    together = [
        Measurement(
            metric="recall",
            where={"stage": stage},
            value=0.5,
            n=50,
            unit="proportion",
            by_seed={one.seed: one.value for one in apart if one.where["stage"] == stage},
        )
        for stage in ("memorized", "unlearned")
    ]
    assert verdict(CLAIM, together, range(5)) == verdict(CLAIM, apart, range(5))


def replace_where(measurement, where):
    return measurement.model_copy(update={"where": where})


def test_verdict_finds_by_exactly_the_keys():
    """A contrast that leaves out `group` must not get the forgotten personas' number."""
    grouped = [replace_where(m, {**m.where, "group": "forget"}) for m in recalls([0.5] * 5)]
    assert verdict(CLAIM, grouped, range(5)).n == 0


def test_verdict_lets_a_mistake_in_a_contrast_through():
    with pytest.raises(TypeError):
        verdict(replace(CLAIM, contrast=lambda find: "a" + 1), recalls([0.5]), range(1))


@pytest.mark.parametrize("n", [5, 10])
def test_t_interval_covers_the_truth_as_often_as_it_says(n):
    runs = 2000
    draws = np.random.default_rng(n).normal(0.3, 0.1, size=(runs, n))
    inside = sum(low <= 0.3 <= high for low, high in map(t_interval, draws))
    assert abs(inside / runs - 0.95) < 3 * np.sqrt(0.95 * 0.05 / runs)


def test_verdict_of_no_effect_is_seldom_anything_but_inconclusive():
    """At the threshold itself both wrong verdicts together come up in 5 % of studies, within Monte-Carlo error."""
    studies, rng = 400, np.random.default_rng(0)
    wrong = sum(
        verdict(CLAIM, recalls(rng.normal(0.1, 0.05, 5)), range(5)).verdict != "inconclusive" for _ in range(studies)
    )
    assert abs(wrong / studies - 0.05) < 3 * np.sqrt(0.05 * 0.95 / studies)


def test_claim_refuses_a_direction_or_threshold_that_means_nothing():
    for odd in ({"direction": "up"}, {"threshold": float("inf")}):
        with pytest.raises(CrossmemError, match="above or below"):
            replace(CLAIM, **odd)
