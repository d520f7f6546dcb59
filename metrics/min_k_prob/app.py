# SPDX-License-Identifier: Apache-2.0
"""The Space's page for Min-K%: token log-probabilities in, scores and a ROC curve out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drawing import Curve, Series, curves, dot_rows, number
from look import Page, Shown, build, compared, compute, interval_of, launch
from tables import Column, column, filled, numbers, optional_column

SCRIPT = Path(__file__).with_name("min_k_prob.py")
COLUMNS = (
    Column("logprobs", "log-probability of each token of the answer in nats, 0 or less", width=5),
    Column("member", "1 = the model was trained on the item, 0 = it was not"),
    Column("persona_id", "whom the item is about; rows of one person count as dependent", needed=False),
)
EXAMPLES = {
    "Memorized": (
        ("-0.02, -0.31, -0.05, -0.11", "1", "ada"),
        ("-0.40, -1.20, -0.07", "1", "bo"),
        ("-0.09, -0.52, -0.03, -0.20", "1", "caro"),
        ("-0.15, -2.30, -0.41", "1", "dele"),
        ("-2.10, -0.85, -3.40, -0.92, -1.77", "0", "eno"),
        ("-0.95, -0.64, -1.05", "0", "fay"),
        ("-1.40, -2.80, -0.33, -1.90", "0", "gus"),
        ("-0.71, -4.10, -1.22", "0", "hana"),
    ),
    "No trace": (
        ("-1.42, -2.31, -0.45, -0.91", "1", "ada"),
        ("-0.80, -3.20, -1.07", "1", "bo"),
        ("-1.09, -1.02, -0.63, -0.20", "1", "caro"),
        ("-0.85, -2.90, -1.41", "1", "dele"),
        ("-2.10, -0.85, -3.40, -0.92, -1.77", "0", "eno"),
        ("-0.95, -0.64, -1.05", "0", "fay"),
        ("-1.40, -2.80, -0.33, -1.90", "0", "gus"),
        ("-0.71, -2.10, -1.22", "0", "hana"),
    ),
}
MEANINGS = {
    "min_k": "mean log-probability of the least expected tokens, nats",
    "min_k_prob": "the same as a probability, percent",
    "inverse_perplexity": "100 / perplexity, percent",
    "logprob_per_token": "mean log-probability of all tokens, nats",
    "answer_probability": "probability of the whole answer",
    "auroc_min_k": "chance that Min-K% puts a trained item before another; 0.5 = guessing",
    "auroc_perplexity": "the same for perplexity",
    "auroc_answer_probability": "the same for the probability of the whole answer",
    "tpr_at_1_fpr_min_k": "share of trained items that Min-K% finds at 1 % false positives; guessing: at most 0.01",
    "tpr_at_1_fpr_perplexity": "the same for perplexity",
    "tpr_at_1_fpr_answer_probability": "the same for the probability of the whole answer",
    "perplexity": "geometric mean over items; lower = more expected",
    "n": "items",
    "n_members": "items that the model was trained on",
}


def arguments(rows: Sequence[Sequence[str]], k: float = 0.2) -> dict[str, Any]:
    """The metric's arguments from the table.

    Raises:
        ValueError: A cell is not what its column asks for; the row is named.
    """
    given: dict[str, Any] = {
        "predictions": column(rows, 0, "logprobs", numbers, "-0.02, -0.31, -0.05"),
        "references": column(rows, 1, "member", int, "1"),
        "k": k,
    }
    persons = optional_column(rows, 2, "persona_id", filled, "ada, in every row or in none")
    return given if persons is None else given | {"persona_id": persons}


def score(rows: Sequence[Sequence[str]], k: float = 0.2) -> Shown:
    """What the page shows for a table: the AUROC where both kinds of items occur, else the score itself."""
    call = arguments(rows, k)
    result = compute(SCRIPT, **call, return_items=True)
    scores, labels = result["item_min_k"], call["references"]
    both = "auroc_min_k" in result
    name = "auroc_min_k" if both else "min_k_prob"
    verdict = compared(
        interval_of(result, name),
        0.5,
        "Trained items are expected less than others: somebody pushed them down, which is a trace too.",
        "The interval holds 0.5: these items do not show what the model was trained on.",
        "Trained items can be told from others: the model expects even their weakest tokens.",
    )
    kinds = (("trained on", 1, "cm-forget"), ("not trained on", 0, "cm-retain"))
    series = [
        Series(said, [score for score, kind in zip(scores, labels, strict=True) if kind == label], look)
        for said, label, look in kinds
        if label in labels
    ]
    figures = [("Min-K% of each item", dot_rows(series, "mean log-probability of the weakest tokens, nats", "Scores"))]
    if both:
        figures.append(("ROC curve: finding the trained items by their score", roc_plot(scores, labels, result[name])))
    return Shown(
        name=name,
        ends=(0.0, 1.0) if both else (0.0, 100.0),
        said=("pushed below others", "all told apart") if both else ("never expected", "certain"),
        mark=(0.5, "chance") if both else None,
        verdict=verdict
        if both
        else "Only one kind of item. The score has no chance level of its own: add items of the other kind.",
        figures=figures,
        meanings=MEANINGS,
        headers=("row", "member", "tokens", "min-k", "min-k, %", "1 / perplexity, %", "answer"),
        items=[
            [place + 1, *values]
            for place, values in enumerate(
                zip(
                    labels,
                    result["item_num_tokens"],
                    scores,
                    result["item_min_k_prob"],
                    result["item_inverse_perplexity"],
                    result["item_answer_probability"],
                    strict=True,
                )
            )
        ],
        result={key: value for key, value in result.items() if not key.startswith("item_")},
        call=call,
    )


def roc_points(scores: Sequence[float], labels: Sequence[int]) -> list[tuple[float, float]]:
    """Share of the other items against share of the trained ones above each threshold; ties move both at once."""
    members = sum(labels)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        above = [label for score, label in zip(scores, labels, strict=True) if score >= threshold]
        points.append(((len(above) - sum(above)) / (len(labels) - members), sum(above) / members))
    return points


def roc_plot(scores: Sequence[float], labels: Sequence[int], auroc: float) -> str:
    """The ROC curve beside the diagonal of a guesser."""
    drawn = Curve(f"Min-K%: area {number(auroc)}", roc_points(scores, labels), "cm-a")
    guess = [(0.0, 0.0, 1.0, 1.0, "cm-chance")]
    axes = (0.0, 1.0, "share of other items found"), (0.0, 1.0, "share of trained items found")
    return curves([drawn], *axes, f"ROC curve with an area of {number(auroc)}; guessing has 0.5", extra=guess)


def options(gr: Any) -> list[Any]:
    """The components beside the table."""
    return [gr.Slider(0.05, 1.0, value=0.2, step=0.05, label="k: share of the tokens that counts, the least expected")]


PAGE = Page(
    folder=SCRIPT.parent,
    name="min_k_prob",
    title="Min-K% probability",
    question="How well does a model know an answer at its weakest tokens? And can one tell from that which answers it "
    "was trained on?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
    options=options,
    defaults=(0.2,),
)

if __name__ == "__main__":
    launch(build(PAGE))
