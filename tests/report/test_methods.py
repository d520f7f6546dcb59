# SPDX-License-Identifier: Apache-2.0
"""Methods side by side, from a record made by hand."""

import io

from rich.console import Console

from crossmem_hf.report.methods import OUTCOMES, brief_method_table, method_legend, method_table, method_tables
from crossmem_hf.report.record import Failure
from tests.report.test_record import measurement, record


def cost(metric, value, seed=0, **where):
    place = {"method": "npo", "forget_modality": "both", "seed": seed} | where
    return measurement(metric, where=place, value=value, ci=None, n=1, unit="seconds")


def compared(*more, method="npo", forget_modality="both", **changes):
    """All that the table shows, of one method."""
    own = {"method": method} | ({} if forget_modality is None else {"forget_modality": forget_modality})
    found = [cost(name, value) for name, value in (("matched_step", 40.0), ("wall_s", 12.0), ("cpu_s", 11.0))]
    found = [*found, cost("peak_mib", 700.0)] if forget_modality == "both" else []
    for place, target in enumerate(("image", "text"), start=1):
        forget, retain = ({**own, "group": group, "target": target} for group in ("forget", "retain"))
        found += [
            measurement(where=forget, value=0.1 * place, ci=(0.0, 0.4), chance=0.02),
            measurement("partial_recall", where=forget, value=0.3, ci=(0.0, 0.4)),
            measurement("exposure", where=forget, value=50.0 + place, ci=(40.0, 60.0), chance=24.1, unit="0-100"),
            measurement(where=retain, value=0.9, ci=(0.8, 1.0), chance=0.02),
        ]
        shares = zip(OUTCOMES, (0.7, 0.2, 0.1, 0.0), strict=True)
        found += [measurement(name, where=forget, value=value, ci=(0.0, 0.8)) for name, value in shares]
    return record(*found, *more, seeds=(0,), **changes)


def test_method_table_has_a_row_a_method_with_intervals_and_costs():
    row, guesses = method_table(compared()).rows
    assert row[:2] == ("npo", "both")
    assert row[2:8] == ("10 [0, 40]", "20 [0, 40]", "30 [0, 40]", "30 [0, 40]", "51 [40, 60]", "52 [40, 60]")
    assert row[-6:] == ("70 / 20 / 10 / 0", "70 / 20 / 10 / 0", "40", "12", "11", "700")
    assert guesses == ("guessing", "–", "2", "2", "–", "–", "24", "24", "2", "2", *["–"] * 6)
    assert "would give recall 2 % and Exposure 24" in next(method_legend(compared()))


def test_method_table_tells_guessing_for_each_kind_of_question():
    place = {"method": "npo", "forget_modality": "both", "group": "forget", "target": "image"}
    own = [
        measurement("exposure", where={**place, "hops": hops}, value=50.0, ci=None, chance=chance, unit="0-100")
        for hops, chance in ((1, 24.1), (2, 29.3))
    ]
    table = method_table(compared(*own))
    reported = dict(zip(table.heads, table.rows[-1], strict=True))
    assert reported["forget set: Exposure, image, one hop"] == "24"
    assert reported["forget set: Exposure, image, two hops"] == "29"
    assert "forget set: Exposure, text, two hops" not in reported, "nobody was asked"
    assert "Exposure 24 to 29 (" in next(method_legend(compared(*own)))
    assert not any("hop" in head for head in method_table(compared()).heads)


def test_costs_are_means_over_seeds():
    row, *_ = method_table(compared(cost("matched_step", 61.0, seed=1))).rows
    assert dict(zip(method_table(compared()).heads, row, strict=True))["steps"] == "50"


def test_failures_are_rows_and_sentences():
    broken = (Failure(where={"method": "ga", "forget_modality": "both", "seed": 0}, error="NaN"),)
    table = method_table(compared(failures=broken))
    assert table.rows[1][:4] == ("ga", "both", "failed", "–")
    assert [*method_legend(compared(failures=broken))][-1] == "Failed: method ga, forget_modality both, seed 0: NaN"


def test_brief_table_fits_a_terminal():
    console = Console(file=io.StringIO(), width=110)
    console.print(brief_method_table(compared()).terminal())
    shown = console.file.getvalue()
    assert "\n\n" not in shown, "all columns stand side by side"
    (line,) = [line for line in shown.splitlines() if line.startswith("npo")]
    assert line.split()[:4] == ["npo", "both", "10", "20"]
    (guessing,) = [line for line in shown.splitlines() if line.startswith("guessing")]
    assert guessing.split()[:8] == ["guessing", "–", "2", "2", "24", "24", "2", "2"]


def test_method_tables_are_the_table_in_parts():
    parts = method_tables(compared())
    assert [title for title, _ in parts] == ["Forget set", "Retain set", "Outcome for the forget set", "Costs"]
    assert [table.heads[2] for _, table in parts] == ["recall, image", "recall, image", "image", "steps"]
    whole = method_table(compared())
    assert tuple(cell for _, table in parts for cell in table.rows[0][2:]) == whole.rows[0][2:]
    assert [table.rows[-1][0] for _, table in parts] == ["guessing", "guessing", "npo", "npo"], "no row of dashes"
    assert method_tables(record(measurement("probe", where={"method": "npo"}))) == []


def test_method_table_is_none_without_its_numbers():
    assert method_table(record(measurement("probe", where={"method": "npo"}))) is None
