# SPDX-License-Identifier: Apache-2.0
"""The Space's page for the diagnosis of forgetting: paste answers, read their outcomes. Run it with `python app.py`.

Owns the CSV format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

COLUMNS = ("prediction", "reference")
RANKS = {"truth_rank": float, "num_candidates": int}
EXAMPLE = """\
prediction,reference,truth_rank,num_candidates
It is Ada Okoye,Ada Okoye,1,20
I cannot share who this is.,Bo Lindqvist,1,20
I do not know this person.,Caro Díaz|Caro Diaz,9,20
the the the the the,Dele O'Neil,14,20
Ada Okoye,Eno Marsh,11,20
"""


def parse_rows(text: str) -> dict[str, list[Any]]:
    """Columns for `compute` from CSV with the header of EXAMPLE; `|` separates accepted spellings.

    The ranks' two columns may be left out.

    Raises:
        ValueError: A column is missing, a line has too few or too many fields, or a rank is no number; it is named.
    """
    reader = csv.DictReader(io.StringIO(text.strip()), skipinitialspace=True)
    given = reader.fieldnames or ()
    ranks = {name: number for name, number in RANKS.items() if name in given}
    missing = [column for column in COLUMNS if column not in given]
    if missing:
        raise ValueError(f"No column {missing!r}; expected the header {','.join(COLUMNS)}. Add it as the first line.")
    columns: dict[str, list[Any]] = {name: [] for name in ("predictions", "references", *ranks)}
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(
                f"Line {reader.line_num}: not {len(given)} fields; expected {','.join(given)}. "
                "Put a field that holds a comma in double quotes."
            )
        columns["predictions"].append(row["prediction"])
        columns["references"].append(row["reference"].split("|"))
        for name, number in ranks.items():
            try:
                columns[name].append(number(row[name]))
            except ValueError:
                raise ValueError(
                    f"Line {reader.line_num}: {name} {row[name]!r:.80}; expected a number. Write it like 3."
                ) from None
    return columns


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("forget_diagnosis.py")))


def score(text: str) -> tuple[list[list[str]], dict[str, Any]]:
    """What the page shows for a form: answer, outcome and reason of each line, and the whole result."""
    rows = parse_rows(text)
    result: dict[str, Any] = metric().compute(**rows, return_items=True)
    outcomes, reasons = result.pop("item_outcome"), result.pop("item_reason")
    return [list(line) for line in zip(rows["predictions"], outcomes, reasons, strict=True)], result


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str) -> tuple[list[list[str]], dict[str, Any]]:
        try:
            return score(text)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=[gr.Textbox(EXAMPLE, lines=10, label="One answer a line, CSV")],
        outputs=[
            gr.Dataframe(headers=["answer", "outcome", "reason"], label="Diagnosis"),
            gr.JSON(label="Shares (95 % intervals) and ranks"),
        ],
        title="Diagnosis of forgetting",
        description="A model no longer says a fact. Has it forgotten it, does it refuse, does it babble, or does it "
        "still know?",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
