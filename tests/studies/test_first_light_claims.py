# SPDX-License-Identifier: Apache-2.0
"""Claims on recall within and across modalities: numbers in which they hold, and numbers in which they do not."""

import pytest

from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.first_light_claims import recall_claims

SEEDS = range(5)


def recalls(same, other, left, hops):
    """Of names or facts, a little different in each seed."""
    for source in ("image", "text"):
        for target in ("image", "text"):
            value = same if source == target else other
            for where, own in (({"stage": "memorized"}, value), ({"stage": "unlearned", "group": "forget"}, left)):
                yield Measurement(
                    metric="recall",
                    where={**where, "source": source, "target": target, **({} if hops is None else {"hops": hops})},
                    value=own,
                    n=100,
                    unit="proportion",
                    by_seed={seed: own + 0.001 * seed * (source == target or left == own) for seed in SEEDS},
                )


@pytest.mark.parametrize(("what", "hops"), [("Names", (None,)), ("Private facts", (1, 2))])
@pytest.mark.parametrize(
    ("same", "other", "left", "verdicts"),
    [
        (0.9, 0.4, 0.3, ["supported"] * 4),
        (0.4, 0.9, 0.0, ["contradicted"] * 4),
    ],
)
def test_claims_follow_the_numbers(what, hops, same, other, left, verdicts):
    measured = [one for hop in hops for one in recalls(same, other, left, hop)]
    found = [verdict(claim, measured, SEEDS) for claim in recall_claims(what, *hops)]
    assert [one.verdict for one in found] == verdicts
    assert all(one.sentence.startswith(what) for one in found)
    assert found[0].effect == pytest.approx(same - other, abs=0.01)
    assert found[2].effect == pytest.approx(left, abs=0.01)


def test_a_claim_on_facts_needs_both_kinds_of_questions():
    measured = list(recalls(0.9, 0.4, 0.0, 1))
    assert {verdict(claim, measured, SEEDS).reason for claim in recall_claims("Private facts", 1, 2)} == {
        "It was not measured."
    }
