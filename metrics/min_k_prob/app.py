# SPDX-License-Identifier: Apache-2.0
"""The Space's page for Min-K%: paste token log-probabilities, read the numbers. Run it with `python app.py`.

Owns the text format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from functools import cache
from pathlib import Path
from typing import Any

EXAMPLE = """\
# 1 = trained on, 0 = not : log-probability of each token of the answer, in nats
1: -0.02, -0.31, -0.05, -0.11
1: -0.40, -1.20, -0.07
0: -2.10, -0.85, -3.40, -0.92, -1.77
0: -0.95, -0.64, -1.05
"""


def parse_items(text: str) -> tuple[list[list[float]], list[int]]:
    """Token log-probabilities and labels, from one `label: logp, logp, ...` a line; `#` starts a comment.

    Raises:
        ValueError: A line has another form; it is named.
    """
    predictions: list[list[float]] = []
    references: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", maxsplit=1)[0].strip()
        if not content:
            continue
        label, _, values = content.partition(":")
        try:
            references.append(int(label))
            predictions.append([float(value) for value in values.replace(",", " ").split()])
        except ValueError:
            raise ValueError(
                f"Line {number}: {content!r:.80}; expected 'label: logp, logp, ...'. "
                "Write it like '1: -0.02, -0.31, -0.05'."
            ) from None
    return predictions, references


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("min_k_prob.py")))


def score(text: str, k: float) -> dict[str, Any]:
    """What the page shows for a form: the summary and the scores of each item."""
    predictions, references = parse_items(text)
    result: dict[str, Any] = metric().compute(predictions=predictions, references=references, k=k, return_items=True)
    return result


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str, k: float) -> dict[str, Any]:
        try:
            return score(text, k)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=[
            gr.Textbox(EXAMPLE, lines=8, label="One item a line"),
            gr.Slider(0.05, 1.0, value=0.2, step=0.05, label="Share of the tokens, the least expected ones"),
        ],
        outputs=gr.JSON(label="Min-K%"),
        title="Min-K%",
        description="Does the model expect the answers it was trained on more than others? An AUROC of 1 tells them "
        "all apart, 0.5 is chance.",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
