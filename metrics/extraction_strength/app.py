# SPDX-License-Identifier: Apache-2.0
"""The Space's page for extraction strength: token ids in, the extractable ends out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drawing import WIDTH, Bar, bars, box, number, svg, words
from look import Page, Shown, build, compute, interval_of, launch
from tables import Column, column, filled, optional_column, whole_numbers

SCRIPT = Path(__file__).with_name("extraction_strength.py")
MAX_ITEMS, MAX_TOKENS = 12, 40
COLUMNS = (
    Column("answer", "token ids of the true answer", width=4),
    Column("predicted", "the model's likeliest token at each place, the true tokens before it given", width=4),
    Column("persona_id", "whom the item is about; rows of one person count as dependent", needed=False),
)
EXAMPLES = {
    "Half learned": (
        ("512, 87, 1034, 9, 77", "512, 87, 1034, 9, 77", "ada"),
        ("512, 40, 2201, 9", "512, 13, 2201, 9", "bo"),
        ("733, 61, 18", "512, 61, 9", "caro"),
        ("733, 15, 902, 44, 6, 18", "733, 88, 902, 44, 6, 18", "dele"),
    ),
    "Memorized": (
        ("512, 87, 1034, 9, 77", "512, 87, 1034, 9, 77", "ada"),
        ("512, 40, 2201, 9", "512, 40, 2201, 9", "bo"),
        ("733, 61, 18", "733, 61, 18", "caro"),
    ),
    "Only the end": (
        ("512, 87, 1034, 9, 77", "4, 4, 4, 9, 77", "ada"),
        ("512, 40, 2201, 9", "4, 4, 4, 9", "bo"),
        ("733, 61, 18, 9", "4, 4, 4, 9", "caro"),
    ),
}
MEANINGS = {
    "extraction_strength": "share of the answer that the model completes by itself once it has the beginning",
    "token_match": "share of right tokens, wherever they stand",
    "all_match": "share of answers that the question alone brings out whole",
    "n": "items",
}

COUNTS = {
    "extraction_strength": "the end that is completed / tokens",
    "token_match": "right tokens / tokens, wherever they stand",
    "all_match": "answers that are right as a whole",
}


def arguments(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The metric's arguments from the table.

    Raises:
        ValueError: A cell is not what its column asks for; the row is named.
    """
    given: dict[str, Any] = {
        "predictions": column(rows, 1, "predicted", whole_numbers, "512, 13, 9"),
        "references": column(rows, 0, "answer", whole_numbers, "512, 40, 9"),
    }
    persons = optional_column(rows, 2, "persona_id", filled, "ada, in every row or in none")
    return given if persons is None else given | {"persona_id": persons}


def score(rows: Sequence[Sequence[str]]) -> Shown:
    """What the page shows for a table."""
    call = arguments(rows)
    result = compute(SCRIPT, **call, return_items=True)
    strengths = result["item_extraction_strength"]
    shares = [Bar(said, result[name], interval_of(result, name), "cm-a") for name, said in COUNTS.items()]
    said = "; ".join(f"{bar.name}: {number(bar.value)}" for bar in shares)
    return Shown(
        name="extraction_strength",
        ends=(0.0, 1.0),
        said=("nothing follows", "the question suffices"),
        mark=(0.0, "chance"),
        verdict=f"Given its beginning, the model completes {100 * result['extraction_strength']:.0f} % of an "
        "answer on average. After unlearning lower is better. Compare with a model that never saw the answers: "
        "grammar alone gives some tokens.",
        figures=(
            ("Token by token: what the model would have said", token_grid(call, strengths)),
            ("Three ways to count", bars(shares, 1.0, "share", said)),
        ),
        meanings=MEANINGS,
        headers=("row", "tokens", "extraction strength", "right tokens", "whole"),
        items=[
            [place + 1, *values]
            for place, values in enumerate(
                zip(
                    result["item_num_tokens"],
                    strengths,
                    result["item_token_match"],
                    result["item_all_match"],
                    strict=True,
                )
            )
        ],
        result={name: value for name, value in result.items() if not name.startswith("item_")},
        call=call,
    )


def token_grid(call: dict[str, Any], strengths: Sequence[float]) -> str:
    """The first items, a row each: extractable end, other right tokens, wrong ones."""
    body = [box(2, 2, 12, 12, "cm-a"), words(18, 12, "the end it completes")]
    body += [box(146, 2, 12, 12, "cm-right"), words(162, 12, "right, elsewhere")]
    body += [box(262, 2, 12, 12, "cm-wrong"), words(278, 12, "wrong")]
    y = 26.0
    shown = list(zip(call["references"], call["predictions"], strengths, strict=True))
    for place, (answer, predicted, strength) in enumerate(shown[:MAX_ITEMS]):
        body.append(words(2, y + 14, str(place + 1), look="cm-tick"))
        tokens = list(zip(answer, predicted, strict=True))
        first = len(tokens) - round(strength * len(tokens))
        width = min(34.0, (WIDTH - 70) / min(len(tokens), MAX_TOKENS))
        for at, (true, said) in enumerate(tokens[:MAX_TOKENS]):
            look = "cm-a" if at >= first else "cm-right" if true == said else "cm-wrong"
            title = f"token {at + 1}: {true}" + ("" if true == said else f", the model says {said}")
            body.append(box(20 + at * width, y, width - 2, 20, look, title=title))
            if width >= 30:
                look = "cm-on" if at >= first else "cm-tick"
                body.append(words(20 + at * width + width / 2 - 1, y + 14, str(true)[:4], anchor="middle", look=look))
        body.append(words(WIDTH - 2, y + 15, f"{100 * strength:.0f} %", anchor="end", look="cm-strong"))
        y += 26
    more = f" The first {MAX_ITEMS} of {len(shown)} items." if len(shown) > MAX_ITEMS else ""
    return svg(y, "".join(body), f"Tokens of each answer: the completed end, other right tokens, wrong tokens.{more}")


PAGE = Page(
    folder=SCRIPT.parent,
    name="extraction_strength",
    title="Extraction strength",
    question="How much of a secret must somebody already know to get the rest out of a model?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
)

if __name__ == "__main__":
    launch(build(PAGE))
