# SPDX-License-Identifier: Apache-2.0
"""What attacks leave stands in its row and column, and a method's fate follows from its claims."""

import pytest

from crossmem_hf.report.record import Verdict
from crossmem_hf.report.residual_table import WORST, alone_table, fate_table, fates, residual_table
from tests.report.test_record import measurement, record


def left(attack, method, value, through="both", **more):
    where = {"method": method, "forget_modality": through, **({} if attack is None else {"attack": attack}), **more}
    metric = "residual" if attack else "residual_worst"
    return measurement(metric=metric, where=where, value=value, ci=(value - 0.1, value + 0.1), unit="proportion")


def test_rows_are_attacks_and_columns_methods_of_one_modality():
    made = record(
        measurements=(
            left("none", "npo", 0.1),
            left("none", "gd", 0.0),
            left("none", "retain_only", 0.0),
            left("none", "npo", 0.9, target="image"),
            left("hinted", "npo", 0.4),
            left("hinted", "npo", 0.6, through="image"),
            left(None, "npo", 0.5),
        )
    )
    table = residual_table(made, "both")
    assert table.heads == ("attack", "npo", "gd")
    assert table.rows == (
        ("none", "10 [0, 20]", "0 [-10, 10]"),
        ("hinted", "40 [30, 50]", "–"),
        (WORST, "50 [40, 60]", "–"),
    )
    assert residual_table(made, "text") is None


def verdict(sentence, found):
    about = {"paper": "ours", "unit": "proportion", "effect": 0.1, "ci": (0.0, 0.2), "n": 5, "threshold": 0.05}
    return Verdict(sentence=sentence, verdict=found, **about)


@pytest.mark.parametrize(
    ("gone", "masked", "intact", "fate"),
    [
        ("supported", "inconclusive", "supported", "gone, not damaged"),
        ("contradicted", "supported", "contradicted", "masked, damaged"),
        ("contradicted", "inconclusive", "supported", "still said, not damaged"),
        ("inconclusive", "inconclusive", "inconclusive", "open, damage open"),
    ],
)
def test_fate_follows_from_the_claims_of_the_method_alone(gone, masked, intact, fate):
    claims = [
        verdict("After GD attacks get out less than 5 points more.", "supported"),
        verdict("After NPO attacks get out less than 5 points more.", gone),
        verdict("After NPO attacks get out what the model does not say.", masked),
        verdict("NPO costs less than 5 points of utility.", intact),
    ]
    assert fate_table(claims, {"npo": "NPO"}).rows == (("NPO", fate),)
    assert fate_table(claims, {"ga": "GA"}).rows == ()
    assert fates(record(verdicts=tuple(claims)), {"npo": "NPO", "ga": "GA"}) == f"{fate}: NPO"


def test_the_attack_that_tells_most_alone_stands_first():
    made = record(
        measurements=tuple(
            measurement(metric="told_alone", where={"attack": name}, value=value, ci=None, unit="proportion")
            for name, value in (("none", 0.1), ("ranked", 0.8), ("hinted", 0.4))
        )
    )
    assert alone_table(made).rows == (("ranked", "80"), ("hinted", "40"), ("none", "10"))
    assert alone_table(record(measurements=(left("none", "npo", 0.1),))) is None
