# SPDX-License-Identifier: Apache-2.0
"""Claims side by side: that both directions of one claim meet in one row, and say what their verdicts say."""

import pytest

from crossmem_hf.report.paired_claims import (
    LEGEND,
    effect_of,
    either_way,
    learned_from,
    paired_claims,
    paired_markdown,
)
from crossmem_hf.report.record import Record, Verdict
from crossmem_hf.report.tables import NOTHING
from crossmem_hf.studies.cross_modal_claims import cross_modal_claims
from crossmem_hf.studies.cross_modal_settings import CrossModalSettings
from crossmem_hf.studies.two_hop_claims import two_hop_claims
from tests.report.test_record import record


def judged(sentence, effect=0.25, ci=(0.2, 0.3), verdict="supported", unit="proportion"):
    return Verdict(
        sentence=sentence, paper="ours", verdict=verdict, effect=effect, ci=ci, n=5, threshold=0.0, unit=unit
    )


def test_every_claim_about_modalities_finds_its_other_direction():
    claims = [*cross_modal_claims(CrossModalSettings()), *two_hop_claims()]
    claims = [claim for claim in claims if "looks" not in claim.sentence]  # the bases tell all looks of descriptions
    table = paired_claims(judged(claim.sentence) for claim in claims)
    assert len(claims) == 2 * len(table.rows)
    assert NOTHING not in {cell for row in table.rows for cell in row}
    assert not [
        row[0] for row in table.rows if "portraits" in row[0].replace("between portraits and descriptions", "")
    ]


def test_claims_of_no_modality_have_a_table_of_their_own():
    found = record(
        verdicts=(judged("More is learned from portraits."), judged("Of 200 questions more is kept.", unit="nats"))
    )
    said = paired_markdown(found)
    assert "| More is learned from one modality | **25 [20, 30]** | – |" in said
    assert "| Of 200 questions more is kept | **0.25 [0.2, 0.3] nats** |" in said


def test_rows_of_the_shipped_record_are_its_verdicts(root):
    found = Record.read(root / "results" / "first_light")
    table = paired_claims(found.verdicts)
    assert len(table.rows) == len(found.verdicts) / 2
    said, portraits, descriptions = table.rows[0]
    assert said == "Names learned from one modality are recalled less from the other"
    assert (portraits, descriptions) == tuple(effect_of(one) for one in found.verdicts[:2])


@pytest.mark.parametrize(
    ("sentence", "source", "said"),
    [
        ("Learned from portraits, from descriptions.", "image", "Learned from one modality, from the other"),
        ("In descriptions is more than in descriptions.", "text", "In descriptions is more than in one modality"),
        ("The gap from portraits to descriptions, a term between portraits and descriptions.", "image",
         "The gap from one modality to the other, a term between portraits and descriptions"),
        ("Of those in portraits, more from portraits.", "image", "Of those in one modality, more from the same"),
    ],
)  # fmt: skip
def test_words_are_those_of_either_direction(sentence, source, said):
    assert learned_from(sentence) == source
    assert either_way(sentence, source) == said


def test_markdown_has_each_question_once_with_its_claims():
    about = {"question": "Does it?", "differs": "All is ours."}
    claims = [judged(f"Less from {one}.") for one in ("portraits", "descriptions")]
    claims = [one.model_copy(update=about) for one in claims] + [judged("More from portraits.")]
    text = paired_markdown(record(verdicts=tuple(claims)))
    assert text.startswith(LEGEND)
    assert [text.count(words) for words in ("**Does it?**", "All is ours.", "| Less from one modality |")] == [1, 1, 1]
    assert "| More from one modality | **25 [20, 30]** | – |" in text


def test_a_claim_of_no_modality_is_left_out():
    assert learned_from("NPO lowers recall.") is None
    assert paired_claims([judged("NPO lowers recall.")]).rows == ()


def test_effects_are_marked_by_their_verdicts():
    assert effect_of(judged("x")) == "**25 [20, 30]**"
    assert effect_of(judged("x", verdict="contradicted", effect=-0.25, ci=(-0.3, -0.2))) == "*−25 [−30, −20]*"
    assert effect_of(judged("x", verdict="inconclusive", ci=None)) == "25"
    assert effect_of(judged("x", effect=1.5, ci=None, unit="nats a token")) == "**1.5 nats a token**"
    assert effect_of(judged("x", effect=None, ci=None, verdict="inconclusive")) == NOTHING
