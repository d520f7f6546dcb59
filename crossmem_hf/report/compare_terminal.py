# SPDX-License-Identifier: Apache-2.0
"""A comparison as a table on a terminal. It computes nothing."""

from rich.table import Table

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.compare_record import EXPOSURE, RECALL, CompareRecord
from crossmem_hf.report.compare_table import costs, guess, shares, short, who


def terminal(record: CompareRecord) -> Table:
    """Recall and Exposure without intervals, in at most 110 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for name in ("method", "through"):
        table.add_column(name, no_wrap=True)
    for group, name in (("forgot", "img"), ("forgot", "txt"), ("Expos.", "img"), ("Expos.", "txt")):
        table.add_column(f"{group}\n{name}", justify="right", no_wrap=True)
    for name in ("kept\nimg", "kept\ntxt", "forgotten/refused/\ncollapsed/known img", "\ntxt", "steps", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = [
        (metric, group, modality)
        for metric, group in ((RECALL, "forget"), (EXPOSURE, "forget"), (RECALL, "retain"))
        for modality in MODALITIES
    ]
    for arm in record.arms:
        numbers = [short(record.line(arm, *where)) for where in shown]
        table.add_row(
            *who(arm), *numbers, *(shares(record, arm, modality) for modality in MODALITIES), *costs(arm)[:2]
        )
    table.add_row("guessing", "–", *(guess(record, *where) for where in shown), *["–"] * 4)
    return table
