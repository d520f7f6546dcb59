# SPDX-License-Identifier: Apache-2.0
"""What is claimed of unlearning methods: each claim finds the planted difference, and none where there is none."""

from itertools import product

import pytest

from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.compare_claims import unlearning_claims
from crossmem_hf.training.methods import METHODS

SEEDS = range(5)


def exposure(value, **where):
    """A little apart from seed to seed, alike in all places."""
    return Measurement(
        metric="exposure",
        where={"group": "forget", **where},
        value=value,
        n=50,
        unit="0-100",
        greater_means="more likely",
        by_seed={seed: value + (value > 30) * seed / 10 for seed in SEEDS},
    )


def planted(own, other, both):
    for target in ("image", "text"):
        yield exposure(30.0, method="retain_only", target=target)
        yield exposure(both, method="npo", forget_modality="both", target=target)
    for one, target in product(("image", "text"), repeat=2):
        yield exposure(own if one == target else other, method="npo", forget_modality=one, target=target)


def judged(own, other, both):
    measured = list(planted(own, other, both))
    return [verdict(claim, measured, tuple(SEEDS)) for claim in unlearning_claims(["npo"])]


def test_what_is_left_is_found():
    found = judged(own=20.0, other=60.0, both=45.0)
    assert [one.verdict for one in found] == ["supported"] * 3
    assert [one.effect for one in found] == [pytest.approx(effect) for effect in (40.2, 30.2, 15.2)]


def test_nothing_left_is_not_claimed():
    assert [one.effect for one in judged(own=30.0, other=30.0, both=30.0)] == [0.0, 0.0, 0.0]
    assert {one.verdict for one in judged(own=30.0, other=30.0, both=30.0)} == {"inconclusive"}


def test_each_method_has_its_three_claims():
    sentences = [claim.sentence for claim in unlearning_claims(METHODS)]
    assert len(set(sentences)) == len(sentences) == 3 * len(METHODS)
