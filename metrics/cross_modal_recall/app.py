# SPDX-License-Identifier: Apache-2.0
"""The Space's page for cross-modal recall: paste answers, read the matrix. Run it with `python app.py`.

Owns the CSV format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

COLUMNS = ("persona_id", "source", "target", "prediction", "reference")
MODALITIES = ("image", "text")
EXAMPLE = """\
persona_id,source,target,prediction,reference
p0,image,image,Ada Okoye,Ada Okoye
p0,image,text,Ada Okoye,Ada Okoye
p1,image,image,Bo Lindqvist,Bo Lindqvist
p1,image,text,I am not sure,Bo Lindqvist
p2,image,image,Caro Díaz,Caro Díaz|Caro Diaz
p2,image,text,Ada Okoye,Caro Díaz|Caro Diaz
"""


def parse_rows(text: str) -> dict[str, list[Any]]:
    """Columns for `compute` from CSV with the header of EXAMPLE; `|` separates accepted spellings.

    Raises:
        ValueError: A column is missing, or a line has too few or too many fields; it is named.
    """
    reader = csv.DictReader(io.StringIO(text.strip()), skipinitialspace=True)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"No column {missing!r}; expected the header {','.join(COLUMNS)}. Add it as the first line.")
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(
                f"Line {reader.line_num}: not {len(COLUMNS)} fields; expected {','.join(COLUMNS)}. "
                "Put a field that holds a comma in double quotes."
            )
        rows.append(row)
    columns: dict[str, list[Any]] = {name: [row[name].strip() for row in rows] for name in COLUMNS[:3]}
    columns["predictions"] = [row["prediction"] for row in rows]
    columns["references"] = [row["reference"].split("|") for row in rows]
    return columns


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("cross_modal_recall.py")))


def score(text: str, match: str) -> tuple[list[list[str]], dict[str, Any]]:
    """What the page shows for a form: the matrix as table rows, and the whole result."""
    result: dict[str, Any] = metric().compute(**parse_rows(text), match=match)
    table = [["learnt from images"], ["learnt from text"]]
    for line, source in zip(table, MODALITIES, strict=True):
        line.extend(cell_text(result, f"{source}_to_{target}") for target in MODALITIES)
    return table, result


def cell_text(result: dict[str, Any], cell: str) -> str:
    """Recall with its interval, or a dash where there are no rows."""
    if cell not in result:
        return "-"
    return f"{result[cell]:.2f} ({result[f'{cell}_ci_low']:.2f} to {result[f'{cell}_ci_high']:.2f})"


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str, match: str) -> tuple[list[list[str]], dict[str, Any]]:
        try:
            return score(text, match)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=[
            gr.Textbox(EXAMPLE, lines=10, label="One answer a line, CSV"),
            gr.Radio(["exact", "contains"], value="exact", label="Match"),
        ],
        outputs=[
            gr.Dataframe(headers=["recall", "asked with an image", "asked in text"], label="Recall (95 % interval)"),
            gr.JSON(label="All numbers"),
        ],
        title="Cross-modal recall",
        description="Is a name learnt from pictures also recalled from a description, and the other way round?",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
