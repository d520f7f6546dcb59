# SPDX-License-Identifier: Apache-2.0
"""The most trusted number stands first, and only what holds in both modalities is told."""

from crossmem_hf.report.record import Verdict
from crossmem_hf.report.trust_table import believed, trust_table
from crossmem_hf.studies.meta_evaluation_claims import FAITHFUL, NAMES, TRUST, WORDS, meta_evaluation_claims
from tests.report.test_record import measurement, record


def trusted(metric, of, target, value):
    where = {"of": of, "target": target}
    return measurement(metric=metric, where=where, value=value, ci=(value - 0.1, value + 0.1), unit="proportion")


def test_numbers_stand_in_the_order_of_their_trust():
    made = [
        trusted("faithfulness", "recall", "image", 0.6),
        trusted("trust", "recall", "image", 0.5),
        trusted("trust", "exposure", "image", 0.8),
        trusted("trust", "exposure", "text", 0.7),
        trusted("faithfulness", "forget_quality", "text", 0.9),
        measurement(metric="of_model", where={"of": "recall"}, value=3.0, ci=None),
    ]
    table = trust_table(made)
    heads = (
        "tells who learned, portraits",
        "tells who learned, descriptions",
        "trust, portraits",
        "trust, descriptions",
    )
    assert table.heads == ("number", *heads)
    assert table.rows == (
        ("exposure", "–", "–", "80 [70, 90]", "70 [60, 80]"),
        ("recall", "60 [50, 70]", "–", "50 [40, 60]", "–"),
        ("forget_quality", "–", "90 [80, 100]", "–", "–"),
    )
    assert trust_table(made[-1:]) is None


def test_only_what_no_modality_gainsays_is_told():
    """The sentences are those of the study, so that a word that is changed there is missed here."""
    wanted = {
        (FAITHFUL, "rouge_l"): ("supported", "supported"),
        (FAITHFUL, "exposure"): ("contradicted", "contradicted"),
        (TRUST, "exposure"): ("supported", "supported"),
        (TRUST, "exposure_linear"): ("supported", "contradicted"),
        (TRUST, "rouge_l"): ("inconclusive", "supported"),
        (TRUST, "truth_ratio"): ("contradicted", "contradicted"),
    }
    about = {"paper": "ours", "unit": "ratio", "effect": 0.1, "ci": (0.0, 0.2), "n": 5, "threshold": 0.0}
    found = [
        Verdict(sentence=one.sentence, verdict=verdict, **about)
        for (what, of), verdicts in wanted.items()
        for name, verdict in zip(("portraits", "descriptions"), verdicts, strict=True)
        for one in meta_evaluation_claims()
        if one.sentence == f"Asked through {name}, {NAMES[of]} {WORDS[what].format(than='than the exact answer')}."
    ]
    assert len(found) == 2 * len(wanted)
    alike = tuple(trusted(FAITHFUL, of, "image", 1.0).model_copy(update={"ci": None}) for of in ("recall", "exposure"))
    assert believed(record(measurements=alike), NAMES, WORDS).startswith(
        "who learned people: all alike; what relearning brings back: "
    )
    assert believed(record(verdicts=tuple(found)), NAMES, WORDS) == (
        "who learned people: more Exposure, less ROUGE-L; what relearning brings back: none; "
        "what rounding brings back: none; in all: more Exposure and ROUGE-L, less the truth ratio"
    )
