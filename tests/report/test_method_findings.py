# SPDX-License-Identifier: Apache-2.0
"""Methods side by side: each number in its column, and no row for what was not measured."""

from crossmem_hf.report.method_findings import before, method_findings, share_of
from crossmem_hf.report.record import Record, Verdict
from tests.report.test_record import measurement

NAMES = {"ga": "GA", "npo": "NPO", "simnpo": "SimNPO"}
BOTH = {"method": "npo", "forget_modality": "both"}


def record():
    claims = {
        "Names unlearned by NPO through one modality keep more.": (3.4, "supported"),
        "NPO leaves Exposure in the other above the retain-only model's.": (-21.0, "contradicted"),
        "NPO through both modalities leaves more.": (0.2, "inconclusive"),
    }
    verdicts = [
        Verdict(
            sentence=said,
            paper="",
            effect=effect,
            ci=(effect - 2, effect + 2),
            n=5,
            threshold=0.0,
            unit="points",
            verdict=one,
        )
        for said, (effect, one) in claims.items()
    ]
    numbers = [
        measurement("exposure", where=BOTH | {"group": "forget"}, value=7.0, ci=None, unit="0-100"),
        measurement("recall", where=BOTH | {"group": "forget"}, value=0.25, ci=None),
        measurement("matched_step", where=BOTH, value=30.0, ci=None, unit="steps"),
        measurement("exposure", where={"method": "memorized"}, value=100.0, ci=None, unit="0-100"),
        measurement("exposure", where={"method": "retain_only"}, value=25.0, ci=None, unit="0-100"),
    ]
    parts = {"config": {}, "versions": {}, "fingerprints": {}}
    return Record(study="compare", **parts, measurements=tuple(numbers), verdicts=tuple(verdicts))


def test_a_row_has_the_effects_and_numbers_of_its_method_alone():
    (row,) = method_findings(record(), NAMES).rows
    assert row[:5] == ("NPO", "**3 [1, 5]**", "*−21 [−23, −19]*", "0 [−2, 2]", "25%")
    assert row[-1] == "30"


def test_what_was_not_measured_is_said_so():
    assert share_of(record(), "utility", method="npo") == "–"
    assert before(record(), "exposure") == "100 and 25"
