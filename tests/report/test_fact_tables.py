# SPDX-License-Identifier: Apache-2.0
"""Private facts in a record: a table a group, a sentence a source, and neither where none were asked for."""

import pytest

from crossmem_hf.report.fact_tables import fact_summary, fact_tables

STAGES = {"base": 0.0, "memorized": 0.9, "unlearned": 0.1}


@pytest.fixture
def facts(make_measurement):
    """Of each group and of all together, through both modalities; through the other one a half as often."""
    return tuple(
        make_measurement(
            stage=stage,
            source=source,
            target=target,
            group=group,
            hops=hops,
            value=value if source == target else value / 2,
            ci=(0.0, 1.0),
            chance=0.14,
        )
        for stage, value in STAGES.items()
        for source in ("image", "text")
        for target in ("image", "text")
        for group in (None, "forget", "retain")
        for hops in (1, 2)
    )


def test_fact_tables_have_a_row_a_stage_and_source(make_record, facts):
    tables = dict(fact_tables(make_record(measurements=facts)))
    assert list(tables) == ["Forget set", "Retain set"]
    table = tables["Forget set"]
    assert table.heads[2:] == (
        "recall, portraits, named",
        "recall, portraits, not named",
        "recall, descriptions, named",
        "recall, descriptions, not named",
    )
    rows = {row[:2]: row[2:] for row in table.rows}
    assert rows["memorized", "image"] == ("90 [0, 100]", "90 [0, 100]", "45 [0, 100]", "45 [0, 100]")
    assert rows["guessing", "–"] == ("14", "14", "14", "14")
    assert len(rows) == 2 * len(STAGES) + 1


def test_fact_summary_says_what_is_recalled_and_what_is_left(make_record, facts):
    first, second = fact_summary(make_record(measurements=facts))
    assert first == (
        "A private fact learned beside each name from portraits alone is recalled for 90% of new portraits and 45% "
        "of descriptions if the question names the persona, and for 90% of new portraits and 45% of descriptions if "
        "it does not. After unlearning, of the forget set: 10% of new portraits and 5% of descriptions, and 10% of "
        "new portraits and 5% of descriptions."
    )
    assert "from descriptions alone" in second


def test_records_without_facts_say_nothing_of_them(record):
    assert list(fact_tables(record)) == []
    assert fact_summary(record) == []
