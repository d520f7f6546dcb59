# SPDX-License-Identifier: Apache-2.0
"""The claims about the shape of states and about depth, of planted numbers."""

import pytest

from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.geometry_claims import geometry_claims

SEEDS = list(range(5))
METHODS = ("ga", "gd", "npo", "idk")
DEPTHS = (0.2, 0.9, 0.8, 0.1)


def number(metric, value, slope=0.001, **where):
    by_seed = {seed: value + slope * (seed - 2) for seed in SEEDS}
    return Measurement(metric=metric, where=where, value=value, n=50, unit="x", by_seed=by_seed)


def planted(*, back=lambda depth: 1.0 - depth, risen=lambda depth: 10 * depth):
    """Numbers of methods that reach so deep, after which so much comes back, and by so much RankMe has risen."""
    for group in ("forget", "retain"):
        for target in ("image", "text"):
            for method, value, slope in (("base", 10.0, 0.001), ("memorized", 20.0, 0.002)):
                at = {"part": "learned", "method": method, "group": group, "target": target}
                yield number("rankme", value, slope, **at)
    for place, (method, depth) in enumerate(zip(METHODS, DEPTHS, strict=True)):
        at = {"part": "learned", "method": method}
        yield number("extracted", back(depth), 0.001 * (place + 1), **at)
        for target in ("image", "text"):
            yield number("unlearning_depth", depth, 0.002 * (place + 1), group="forget", target=target, **at)
            slope = 0.002 if risen(depth) == 0 else 0.003 * (place + 1)  # that of the memorized model
            yield number("rankme", 20.0 + risen(depth), slope, group="forget", target=target, **at)
            yield number("rankme", 20.0, group="retain", target=target, **at)


def verdicts(**choices):
    numbers = list(planted(**choices))
    return {one.sentence: verdict(one, numbers, SEEDS) for one in geometry_claims(METHODS, pretrained=False)}


def of(found, words):
    return [one for sentence, one in found.items() if words in sentence]


def test_methods_that_leave_the_layers_what_they_knew_are_told_from_others():
    found = {one.sentence.split(" the layers ")[0]: one.verdict for one in of(verdicts(), "hold half and more")}
    assert found == {
        "After GA": "supported",
        "After GD": "contradicted",
        "After NPO": "contradicted",
        "After IDK": "supported",
    }


@pytest.mark.parametrize(("back", "effect"), [(lambda depth: 1 - depth, 1.0), (lambda depth: depth, -1.0)])
def test_depth_tells_what_comes_back_if_their_orders_agree(back, effect):
    (one,) = of(verdicts(back=back), "less deep")
    assert one.effect == pytest.approx(effect)


def test_where_nothing_differs_nothing_is_told():
    (one,) = of(verdicts(risen=lambda _: 0.0), "higher RankMe")
    assert (one.verdict, one.effect) == ("inconclusive", None)


def test_memorizing_that_opens_the_space_is_found():
    assert {one.verdict for one in of(verdicts(), "Memorizing names")} == {"supported"}
    assert {one.effect for one in of(verdicts(), "Memorizing names")} == {10.0}
