# SPDX-License-Identifier: Apache-2.0
"""The Space's page for PrivLeak: paste token log-probabilities, read the numbers. Run it with `python app.py`.

Owns the text format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from functools import cache
from pathlib import Path
from typing import Any

SIDES = {"forget": 1, "holdout": 0}
EXAMPLE = """\
# forget or holdout : log-probability of each token, in nats
forget: -0.1, -0.3, -0.2, -0.9
forget: -0.4, -2.6, -1.1
forget: -0.2, -0.1, -0.5, -0.3
holdout: -1.9, -0.7, -2.4
holdout: -0.8, -3.1, -1.2, -0.6
holdout: -0.3, -1.5, -0.9
"""


def parse_rows(text: str) -> tuple[list[list[float]], list[int]]:
    """Token log-probabilities and sides, from one `forget: log p, ...` or `holdout: ...` a line; `#` starts a comment.

    Raises:
        ValueError: A line has another form; it is named.
    """
    predictions: list[list[float]] = []
    references: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", maxsplit=1)[0].strip()
        if not content:
            continue
        side, _, values = content.partition(":")
        try:
            references.append(SIDES[side.strip().lower()])
            predictions.append([float(value) for value in values.replace(",", " ").split()])
        except (KeyError, ValueError):
            raise ValueError(
                f"Line {number}: {content!r:.80}; expected 'forget: log p, ...' or 'holdout: log p, ...'. "
                "Write it like 'forget: -0.1, -0.3'."
            ) from None
    return predictions, references


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("priv_leak.py")))


def score(text: str, auc_retrain: float) -> dict[str, Any]:
    """What the page shows for a form: the summary and the score of every row."""
    predictions, references = parse_rows(text)
    result: dict[str, Any] = metric().compute(
        predictions=predictions, references=references, auc_retrain=auc_retrain, return_items=True
    )
    return result


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str, auc_retrain: float) -> dict[str, Any]:
        try:
            return score(text, auc_retrain)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=[
            gr.Textbox(EXAMPLE, lines=8, label="One row a line"),
            gr.Slider(0.01, 1.0, value=0.5, step=0.01, label="AUC of a model that never saw the forget rows"),
        ],
        outputs=gr.JSON(label="PrivLeak"),
        title="PrivLeak",
        description="Can forgotten rows still be told from rows never learnt? 0 = no more than under a model that "
        "never saw them, below 0 = they are still memorised, above 0 = they were pushed away too far.",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
