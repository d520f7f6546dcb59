# SPDX-License-Identifier: Apache-2.0
"""What attacks leave stands in its row and column, and a method's fate follows from it."""

import pytest

from crossmem_hf.report.record import BASELINES, Verdict
from crossmem_hf.report.residual_table import WORST, alone_table, fate_table, fates, most_told, residual_table
from crossmem_hf.studies.residual_claims import residual_claims
from tests.report.test_record import measurement, record


def left(attack, method, value, through="both", ends=0.1, **more):
    """What an attack leaves of a method; of no attack, what the worst does."""
    where = {"method": method, **({} if attack is None else {"attack": attack}), **more}
    where |= {} if method in BASELINES else {"forget_modality": through}
    metric = "residual" if attack else "residual_worst"
    ci = (max(-1.0, value - ends), min(1.0, value + ends))
    return measurement(metric=metric, where=where, value=value, ci=ci, unit="proportion")


def test_rows_are_attacks_and_columns_methods_of_one_modality():
    made = record(
        measurements=(
            left("none", "memorized", 1.0, ends=0.0),
            left("hinted", "memorized", 0.3),
            left("none", "retain_only", 0.0),
            left("none", "npo", 0.1),
            left("none", "gd", 0.0),
            left("none", "npo", 0.9, target="image"),
            left("hinted", "npo", 0.4),
            left("hinted", "npo", 0.6, through="image"),
            left(None, "npo", 0.5),
        )
    )
    table = residual_table(made, "both")
    assert table.heads == ("attack", "memorized", "npo", "gd")
    assert table.rows == (
        ("none", "100 [100, 100]", "10 [0, 20]", "0 [-10, 10]"),
        ("hinted (blind)", "30 [20, 40]", "40 [30, 50]", "–"),
        (WORST, "–", "50 [40, 60]", "–"),
    )
    assert residual_table(made, "text") is None


@pytest.mark.parametrize(
    ("plain", "every", "gone", "masked", "fate"),
    [
        (0.0, 0.01, "supported", "supported", "gone"),
        (0.0, 0.0, "alike", "alike", "gone"),
        (0.0, 0.6, "contradicted", "supported", "masked"),
        (0.0, 1.0, "alike", "alike", "masked"),
        (0.4, 0.4, "contradicted", "inconclusive", "still said"),
        (0.05, 0.1, "inconclusive", "inconclusive", "open"),
    ],
)
def test_fate_follows_from_what_is_left_with_and_without_attacks(plain, every, gone, masked, fate):
    """The sentences are those of the study, so that a word that is changed there is missed here."""

    def stepped(seed, value):
        return measurement(
            metric="matched_step", where={**place, "seed": seed}, value=value, ci=None, n=1, unit="steps"
        )

    def useful(value, **where):
        return measurement(metric="utility", where=where, value=value, ci=None, by_seed={0: value, 1: value})

    def judged(claim, verdict, effect):
        alike = {"verdict": "inconclusive", "ci": None}
        found = alike if verdict == "alike" else {"verdict": verdict, "ci": (effect - 0.1, effect + 0.1)}
        about = {"sentence": claim.sentence, "paper": "ours", "unit": "proportion", "n": 5}
        return Verdict(**about, threshold=claim.threshold, effect=effect, **found)

    place = {"method": "npo", "forget_modality": "both"}
    claims = residual_claims(["npo"])
    made = record(
        measurements=(
            left("none", "npo", plain),
            left("any", "npo", every),
            left("any", "npo", 0.9, through="image"),
            useful(0.8, method="memorized"),
            useful(0.7, **place),
            stepped(0, 0.0),
            stepped(1, 15.0),
        ),
        verdicts=(judged(claims[0], gone, every), judged(claims[1], masked, every - plain)),
    )
    ((name, said, asked, attacked, lost, kept),) = fate_table(made, {"npo": "NPO", "ga": "GA"}).rows
    assert (name, said, lost, kept) == ("NPO", fate, "10", "1 of 2")
    assert (asked.split()[0], attacked.split()[0]) == (f"{100 * plain:.0f}", f"{100 * every:.0f}")
    assert fates(made, {"npo": "NPO", "ga": "GA"}) == f"{fate}: NPO (10)"


def test_the_attack_that_tells_most_alone_stands_first():
    made = record(
        measurements=tuple(
            measurement(metric="told_alone", where={"attack": name}, value=value, ci=ci, unit="ratio")
            for name, value, ci in (("none", 0.9, None), ("ranked", 1.2, (0.9, 1.5)), ("hinted", 0.4, None))
        )
    )
    assert alone_table(made).rows == (("ranked", "120 [90, 150]"), ("hinted", "40"))
    assert most_told(made) == "The attack `ranked` alone tells 120 [90, 150] % of what all of them tell."
    nothing = record(measurements=(left("none", "npo", 0.1),))
    assert (alone_table(nothing), most_told(nothing)) == (None, "")
