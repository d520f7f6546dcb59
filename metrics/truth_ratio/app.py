# SPDX-License-Identifier: Apache-2.0
"""The Space's page for the truth ratio: paste likelihoods, read the numbers. Run it with `python app.py`.

Owns the text format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from functools import cache
from pathlib import Path
from typing import Any

EXAMPLE = """\
# mean NLL per token, in nats: the true answer : each false answer
0.4: 2.1, 1.8, 2.6
1.5: 1.4, 1.9, 1.2
2.2: 1.1, 1.6, 0.9
"""
RETAIN_ONLY = "0.9, 1.2, 0.7"


def parse_items(text: str) -> tuple[list[list[float]], list[float]]:
    """NLLs of false and true answers, from one `true: false, false, ...` a line; `#` starts a comment.

    Raises:
        ValueError: A line has another form; it is named.
    """
    predictions: list[list[float]] = []
    references: list[float] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", maxsplit=1)[0].strip()
        if not content:
            continue
        true, _, false = content.partition(":")
        try:
            references.append(float(true))
            predictions.append(parse_numbers(false))
        except ValueError:
            raise ValueError(
                f"Line {number}: {content!r:.80}; expected 'true: false, false, ...'. Write it like '0.4: 2.1, 1.8'."
            ) from None
    return predictions, references


def parse_numbers(text: str) -> list[float]:
    """Numbers between commas or spaces.

    Raises:
        ValueError: A word is no number; it is named.
    """
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise ValueError(f"{text!r:.80}; expected numbers. Write them like '0.9, 1.2'.") from None


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("truth_ratio.py")))


def score(text: str, retain_only: str) -> dict[str, Any]:
    """What the page shows for a form: the summary and the ratios of every item."""
    predictions, references = parse_items(text)
    result: dict[str, Any] = metric().compute(
        predictions=predictions,
        references=references,
        retain_only=parse_numbers(retain_only) or None,
        return_items=True,
    )
    return result


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str, retain_only: str) -> dict[str, Any]:
        try:
            return score(text, retain_only)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=[
            gr.Textbox(EXAMPLE, lines=8, label="One item a line"),
            gr.Textbox(RETAIN_ONLY, lines=2, label="Ratios R of a retain-only model, if you have them"),
        ],
        outputs=gr.JSON(label="Truth ratio"),
        title="Truth ratio",
        description="Does a model still tell the truth from falsehood? truth_ratio 1 = no. forget_quality is high "
        "where the ratios look like those of a model that never saw the forget set.",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
