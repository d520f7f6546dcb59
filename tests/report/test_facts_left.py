# SPDX-License-Identifier: Apache-2.0
"""The sentence about facts names the methods whose claims are supported, and no others."""

from crossmem_hf.report.facts_left import facts_left
from crossmem_hf.report.record import Record, Verdict

NAMES = {"ga": "GA", "npo": "NPO", "simnpo": "SimNPO"}
LEAVES = "{} leaves Exposure, asked by the question, above the retain-only model's."


def record(**verdicts):
    made = [
        Verdict(
            sentence=LEAVES.format(NAMES[name]),
            paper="",
            effect=1.0,
            ci=None,
            n=5,
            threshold=0.0,
            unit="points",
            verdict=one,
        )
        for name, one in verdicts.items()
    ]
    return Record(study="remem", config={}, versions={}, fingerprints={}, measurements=(), verdicts=tuple(made))


def said(**verdicts):
    return facts_left(record(**verdicts), NAMES).split("; ")[0].partition(" (")[2].removesuffix(")")


def test_only_supported_claims_count():
    assert said(ga="supported", npo="contradicted", simnpo="inconclusive") == "GA"
    assert said(ga="supported", npo="supported", simnpo="supported") == "GA, NPO and SimNPO"


def test_a_name_within_another_is_not_named():
    assert said(simnpo="supported") == "SimNPO"


def test_that_nothing_is_shown_is_said_and_not_that_nothing_is():
    assert said(ga="inconclusive") == "shown of no method"
