# SPDX-License-Identifier: Apache-2.0
"""The Space's page for Exposure: paste candidate likelihoods, read the numbers. Run it with `python app.py`.

Owns the text format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from functools import cache
from pathlib import Path
from typing import Any

EXAMPLE = """\
# place of the truth, from 0 : negative log-likelihood of each candidate, in nats
0: 1.2, 4.8, 5.1, 3.9, 6.0
2: 3.1, 2.7, 2.7, 4.4, 5.9
4: 2.2, 2.9, 3.3, 3.0, 7.5
"""


def parse_items(text: str) -> tuple[list[list[float]], list[int]]:
    """Candidate NLLs and truth indices, from one `index: nll, nll, ...` a line; `#` starts a comment.

    Raises:
        ValueError: A line has another form; it is named.
    """
    predictions: list[list[float]] = []
    references: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", maxsplit=1)[0].strip()
        if not content:
            continue
        truth, _, values = content.partition(":")
        try:
            references.append(int(truth))
            predictions.append([float(value) for value in values.replace(",", " ").split()])
        except ValueError:
            raise ValueError(
                f"Line {number}: {content!r:.80}; expected 'index: nll, nll, ...'. Write it like '0: 1.2, 4.8, 5.1'."
            ) from None
    return predictions, references


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("exposure.py")))


def score(text: str, ties: str) -> dict[str, Any]:
    """What the page shows for a form: the summary and one rank and exposure an item."""
    predictions, references = parse_items(text)
    result: dict[str, Any] = metric().compute(
        predictions=predictions, references=references, ties=ties, return_items=True
    )
    return result


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str, ties: str) -> dict[str, Any]:
        try:
            return score(text, ties)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=[
            gr.Textbox(EXAMPLE, lines=8, label="One item a line"),
            gr.Radio(["mid", "best", "worst"], value="mid", label="Rank of ties"),
        ],
        outputs=gr.JSON(label="Exposure"),
        title="Exposure",
        description="How far up its candidate list has a secret risen? 100 = likelier than all rivals, 0 = last. "
        "Compare with chance_exposure, what a model that knows nothing would get.",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
