# SPDX-License-Identifier: Apache-2.0
"""Any record in words."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.modality_text import memorization_failures
from crossmem_hf.report.record import Failure, Record, Verdict
from crossmem_hf.report.text import headline, markdown, settings, summary, verdict_words
from tests.report.test_record import measurement, record


def claim(**changes):
    given = {"sentence": "It crosses.", "paper": "arXiv 1", "effect": 0.3, "ci": (0.2, 0.4), "n": 5}
    return Verdict(**given | {"threshold": 0.1, "unit": "proportion", "verdict": "supported"} | changes)


def test_headline_counts_verdicts_or_measurements():
    claims = (claim(), claim(verdict="inconclusive"), claim(verdict="supported"))
    assert headline(record(verdicts=claims)) == "Of 3 claims: 2 supported and 1 inconclusive."
    assert headline(record(measurement(), measurement("gap"), seeds=(0, 1))) == (
        "2 measurements of 2 metrics over 2 persona seeds."
    )


def test_headline_of_methods_names_what_they_stand_beside():
    methods = [measurement(where={"method": name}) for name in ("base", "retain_only", "ga", "npo")]
    assert headline(record(*methods)) == "2 unlearning methods beside the base and retain-only model."
    assert headline(record(methods[-1], seeds=(0,))) == "1 unlearning method over 1 persona seed."


def test_settings_of_a_mapping_stand_one_by_one_and_by_name():
    told = settings(record(config={"unlearning": {"npo": {"beta": 0.1}, "ga": {}}, "steps": 3}))
    assert told == [("steps", "3"), ("unlearning.ga", "{}"), ("unlearning.npo", '{"beta": 0.1}')]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Supported: It crosses (arXiv 1). The effect is 0.3 [0.2, 0.4] against 0.1 (proportion) over 5 seeds."),
        (
            {"effect": None, "ci": None, "n": 0, "verdict": "inconclusive", "reason": "No cell ran."},
            "Inconclusive: It crosses (arXiv 1). The effect was not measured over 0 seeds. No cell ran.",
        ),
    ],
)
def test_verdicts_are_sentences(changes, said):
    assert verdict_words(claim(**changes)) == said
    assert summary(record(verdicts=(claim(**changes),))) == [said]


def test_of_many_claims_the_first_of_each_question_is_told():
    claims = [claim(question="Does it?"), claim(question="Does it?", verdict="contradicted"), claim(question="Why?")]
    told = summary(record(verdicts=tuple(claims)), most_claims=1)
    first = verdict_words(claims[0])
    assert told == [
        f"Does it? Of 2 claims: 1 supported and 1 contradicted. {first}",
        f"Why? Of 1 claim: 1 supported. {first}",
    ]


def test_markdown_of_an_unknown_study_has_everything():
    places = [{"attack": "gcg"}, {"attack": "none"}]
    text = markdown(
        record(
            *[measurement("recovered", where=where, chance=0.1) for where in places],
            study="attacks",
            verdicts=(claim(),),
            failures=(Failure(where={"attack": "soft"}, error="NaN"),),
            notes=("A note.",),
            config={"steps": 3, "name": "x"},
            versions={"torch": "2"},
            fingerprints={"data": "d1"},
            seeds=(0, 1),
        )
    )
    for line in (
        "# attacks",
        "**Of 1 claim: 1 supported.**",
        "| It crosses. | arXiv 1 | supported | 0.3 | 0.2 to 0.4 | 0.1 | proportion | 5 |  |",
        "## Measurements by attack",
        "| recovered | gcg | 0.5 | 0.4 to 0.6 | 20 | 0.1 | proportion |",
        "- Failed: attack soft: NaN",
        "- A note.",
        "| Persona seeds | 0, 1 |",
        "| Data fingerprint | d1 |",
        "| steps | 3 |",
        "| torch | 2 |",
    ):
        assert line in text.splitlines()


def test_markdown_of_shipped_comparison_is_the_file_beside_it(root):
    folder = root / "results/compare"
    shipped = Record.read(folder)
    assert markdown(shipped) == (folder / "report.md").read_text(encoding="utf-8")
    assert "| rmu | both | 0 [0, 7] | 0 [0, 7] |" in markdown(shipped)


def test_notes_of_others_are_text_in_markdown():
    shown = markdown(record(measurement(), notes=("<script>x</script> [a](javascript:b)\n# head",)))
    assert "- &lt;script>x&lt;/script> \\[a](javascript:b) # head" in shown.splitlines()


def test_setting_that_is_no_number_is_said():
    with pytest.raises(CrossmemError, match="min_recall='x' is no number"):
        memorization_failures(record(measurement(), config={"min_recall": "x"}))
