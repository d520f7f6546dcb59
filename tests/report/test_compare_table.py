# SPDX-License-Identifier: Apache-2.0
"""A table from a record made by hand."""

import csv
import io

from crossmem_hf.report.compare_record import EXPOSURE, OUTCOMES, PARTIAL, RECALL, ROUGE
from crossmem_hf.report.compare_table import csv_text, markdown
from tests.report.test_compare_record import arm, line
from tests.report.test_compare_record import record as record_of


def record(**changes):
    lines = []
    for place, modality in enumerate(("image", "text"), start=1):
        lines += [
            line(modality=modality, value=0.1 * place, ci_high=0.4),
            line(modality=modality, metric=PARTIAL, value=0.3, ci_high=0.4, chance=None),
            line(
                modality=modality,
                metric=EXPOSURE,
                unit="0-100",
                value=50.0 + place,
                ci_low=40.0,
                ci_high=60.0,
                chance=24.1,
            ),
            line(modality=modality, metric=RECALL, group="retain", value=0.9, ci_low=0.8, ci_high=1.0),
            line(modality=modality, metric=ROUGE, group="retain", value=0.95, ci_low=0.8, ci_high=1.0, chance=None),
        ]
        shares = zip(OUTCOMES, (0.7, 0.2, 0.1, 0.0), strict=True)
        lines += [
            line(modality=modality, metric=name, value=value, ci_high=0.8, chance=None) for name, value in shares
        ]
    return record_of(lines, **changes)


def test_markdown_has_a_row_an_arm_with_intervals_and_costs():
    text = markdown(record())
    head, rule, row = text.splitlines()[:3]
    assert head.count("|") == rule.count("|") == row.count("|")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["npo", "both"]
    assert cells[2:8] == ["10 [0, 40]", "20 [0, 40]", "30 [0, 40]", "30 [0, 40]", "51 [40, 60]", "52 [40, 60]"]
    assert cells[-6:] == ["70 / 20 / 10 / 0", "70 / 20 / 10 / 0", "40", "12", "11", "700"]
    assert "Guessing: recall 2 %, Exposure 24" in text
    guesses = [cell.strip() for cell in text.splitlines()[3].strip("|").split("|")]
    assert guesses == ["guessing", "–", "2", "2", "–", "–", "24", "24", "2", "2", *["–"] * 8]


def test_guessing_is_told_for_each_kind_of_question():
    kinds = [(1, 24.1), (2, 29.3)]
    own = [
        line(metric=EXPOSURE, unit="0-100", value=50.0, ci_low=40.0, ci_high=60.0, chance=chance, hops=hops)
        for hops, chance in kinds
    ]
    text = markdown(record_of([*record().lines, *own]))
    head, *_, last = [row.split("|") for row in text.splitlines() if row.startswith("|")]
    told = {name.strip(): cell.strip() for name, cell in zip(head, last, strict=True)}
    assert told["forgotten: Exposure, image, one hop"] == "24"
    assert told["forgotten: Exposure, image, two hops"] == "29"
    assert told["forgotten: Exposure, text, two hops"] == "–", "nobody was asked"
    assert "Exposure 24 to 29" in text


def test_a_seed_that_did_not_reach_the_floor_is_starred_and_failures_are_named():
    text = markdown(record(arms=[arm(reached_floor=(False,)), arm(arm="ga", steps=(), failed=("seed 0: NaN",))]))
    assert "| 40* |" in text
    assert "| ga | both | – |" in text
    assert "Failed: ga both seed 0: NaN" in text


def test_hops_get_columns_of_their_own_where_there_are_several():
    made = record()
    text = markdown(record_of([*made.lines, line(hops=1), line(hops=2)]))
    assert "forgotten: recall, image, two hops" in text.splitlines()[0]
    assert "hop" not in markdown(made).splitlines()[0]


def test_csv_has_every_line():
    made = record()
    rows = list(csv.DictReader(io.StringIO(csv_text(made))))
    assert len(rows) == len(made.lines)
    assert rows[0]["ci_high"] == "0.4"
