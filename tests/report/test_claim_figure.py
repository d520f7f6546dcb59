# SPDX-License-Identifier: Apache-2.0
"""Claims of one question get a row each, and a panel a unit."""

from crossmem_hf.report.claim_figure import claim_figure
from crossmem_hf.report.figures import CLAIMS, figures_of, write_figures
from crossmem_hf.report.page import page_html
from crossmem_hf.report.record import Verdict
from crossmem_hf.report.text import markdown
from tests.report.test_record import measurement, record


def claim(sentence, **changes):
    given = {"paper": "arXiv 1", "effect": 0.5, "ci": (0.4, 0.6), "n": 5, "threshold": 0.1, "unit": "proportion"}
    return Verdict(sentence=sentence, **given | {"verdict": "supported", "question": "Does it cross?"} | changes)


CLAIMS_OF_TWO = (
    claim("It crosses.", differs="Their views are not known."),
    claim("It crosses twice.", effect=2.0, ci=None, unit="ratio", verdict="inconclusive"),
    claim("It stays.", question="Does it stay?", effect=-0.2, ci=(-0.3, -0.1), verdict="contradicted"),
    claim("It was never asked.", question="Never?", effect=None, ci=None, verdict="inconclusive"),
)


def test_a_row_a_claim_and_a_panel_a_unit():
    first, second = claim_figure(record(verdicts=CLAIMS_OF_TWO), "Does it cross?").axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["It crosses"]
    assert [(line.get_marker(), list(line.get_xdata())) for line in first.lines] == [
        ("None", [0.4, 0.6]),
        ("o", [0.5]),
        ("|", [0.1]),
    ]
    assert second.get_xlabel() == "effect (ratio)"
    assert second.lines[0].get_markerfacecolor() == "white", "it is open, and no interval is drawn"


def test_a_question_of_which_nothing_was_measured_has_no_figure():
    assert claim_figure(record(verdicts=CLAIMS_OF_TWO), "Never?") is None
    drawn = [figure.name for figure in figures_of(record(verdicts=CLAIMS_OF_TWO))]
    assert [name for name in drawn if name.startswith(CLAIMS)] == ["claims_1", "claims_2"]


def test_page_and_markdown_have_a_section_a_question():
    made = record(measurement(), verdicts=CLAIMS_OF_TWO)
    html, text = page_html(made), markdown(made)
    for question in ("Does it cross?", "Does it stay?", "Never?"):
        assert f"<h3>{question}</h3>" in html
        assert f"### {question}" in text
    assert "Their views are not known." in html
    assert text.count("Their views are not known.") == 1
    assert text.index("Their views") < text.index("| It crosses. |")
    assert "figures/claims_2.png" in text
    assert "figures/claims_3.png" not in text


def test_figures_of_claims_that_are_gone_are_removed(tmp_path):
    write_figures(record(verdicts=CLAIMS_OF_TWO), tmp_path)
    assert {"claims_1.png", "claims_2.png"} <= {path.name for path in tmp_path.iterdir()}
    write_figures(record(verdicts=CLAIMS_OF_TWO[:2]), tmp_path)
    assert {path.name for path in tmp_path.glob(f"{CLAIMS}*.png")} == {"claims_1.png"}
