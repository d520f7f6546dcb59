# SPDX-License-Identifier: Apache-2.0
"""The claims about what is left, of planted numbers."""

import pytest

from crossmem_hf.analysis.attack_run import PLAIN
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.residual_claims import ANY, residual_claims

SEEDS = range(5)


def judged(plain, attacked, utility, method="npo"):
    """gone, masked, spared: the verdicts of a method with these residuals and this utility, .9 before."""

    def number(metric, value, slope, **where):
        by_seed = {seed: value + slope * seed for seed in SEEDS}
        return Measurement(
            metric=metric, where=where, value=value + 2 * slope, n=50, unit="proportion", by_seed=by_seed
        )

    place = {"method": method, "forget_modality": "both"}
    numbers = [
        number("residual", plain, 0.001, attack=PLAIN, **place),
        number("residual", attacked, 0.002, attack=ANY, **place),
        number("utility", utility, 0.001, **place),
        number("utility", 0.9, 0.002, method="memorized"),
    ]
    return [verdict(claim, numbers, list(SEEDS)).verdict for claim in residual_claims([method])[:3]]


@pytest.mark.parametrize(
    ("plain", "attacked", "utility", "verdicts"),
    [
        (0.0, 0.01, 0.9, ["supported", "supported", "supported"]),
        (0.0, 0.4, 0.9, ["contradicted", "supported", "supported"]),
        (0.4, 0.4, 0.3, ["contradicted", "supported", "contradicted"]),
        (0.4, 0.3, 0.9, ["contradicted", "contradicted", "supported"]),
    ],
)
def test_verdicts_are_those_of_the_numbers(plain, attacked, utility, verdicts):
    assert judged(plain, attacked, utility) == verdicts


@pytest.mark.parametrize(("alone", "found"), [(0.6, "supported"), (0.1, "contradicted")])
def test_what_one_modality_alone_leaves_is_held_against_both(alone, found):
    def number(through, value, slope):
        where = {"method": "npo", "forget_modality": through, "attack": ANY}
        by_seed = {seed: value + slope * seed for seed in SEEDS}
        return Measurement(metric="residual", where=where, value=value, n=50, unit="proportion", by_seed=by_seed)

    numbers = [number("both", 0.4, 0.001), number("image", alone, 0.002), number("text", alone, 0.003)]
    (claim,) = residual_claims(["npo"])[3:]
    assert verdict(claim, numbers, list(SEEDS)).verdict == found


def test_each_method_has_four_claims_and_those_of_others_are_not_measured():
    assert len(residual_claims(["npo", "ga"])) == 8
    assert {verdict(claim, [], list(SEEDS)).reason for claim in residual_claims(["ga"])} == {"It was not measured."}
