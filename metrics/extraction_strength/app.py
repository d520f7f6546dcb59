# SPDX-License-Identifier: Apache-2.0
"""The Space's page for extraction strength: paste token ids, read the numbers. Run it with `python app.py`.

Owns the text format of the form. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from functools import cache
from pathlib import Path
from typing import Any

EXAMPLE = """\
# the answer's token ids : the model's likeliest token at each place, the true tokens before it given
512 87 1034 9 77 : 512 87 1034 9 77
512 40 2201 9 : 512 13 2201 9
733 61 18 : 512 61 9
"""


def parse_items(text: str) -> tuple[list[list[int]], list[list[int]]]:
    """Predicted and true token ids, from one `answer ids : predicted ids` a line; `#` starts a comment.

    Raises:
        ValueError: A line has another form, or sides of different lengths; it is named.
    """
    predictions: list[list[int]] = []
    references: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", maxsplit=1)[0].strip()
        if not content:
            continue
        try:
            answer, chosen = ([int(token) for token in side.replace(",", " ").split()] for side in content.split(":"))
            if len(answer) != len(chosen):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"Line {number}: {content!r:.80}; expected 'answer ids : predicted ids', as many on both sides. "
                "Write it like '512 40 9 : 512 13 9'."
            ) from None
        references.append(answer)
        predictions.append(chosen)
    return predictions, references


@cache
def metric() -> Any:
    """The metric in this folder, loaded once."""
    import evaluate

    return evaluate.load(str(Path(__file__).with_name("extraction_strength.py")))


def score(text: str) -> dict[str, Any]:
    """What the page shows for a form: the summary and the strength of each item."""
    predictions, references = parse_items(text)
    result: dict[str, Any] = metric().compute(predictions=predictions, references=references, return_items=True)
    return result


def page() -> Any:
    """The gradio interface, not yet launched."""
    import gradio as gr

    def answer(text: str) -> dict[str, Any]:
        try:
            return score(text)
        except ValueError as fault:
            raise gr.Error(str(fault), print_exception=False) from fault

    return gr.Interface(
        fn=answer,
        inputs=gr.Textbox(EXAMPLE, lines=8, label="One item a line"),
        outputs=gr.JSON(label="Extraction strength"),
        title="Extraction strength",
        description="How much of the answer does the model complete by itself? 1 = all of it from the question alone, "
        "0 = not even the last token.",
        flagging_mode="never",
    )


if __name__ == "__main__":
    page().launch()
