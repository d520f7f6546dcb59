# SPDX-License-Identifier: Apache-2.0
"""The Space's page for the truth ratio: likelihoods in, ratios and forget quality out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drawing import Bar, Series, bars, curves, dot_rows, number, span, steps
from look import Page, Shown, build, compute, interval_of, launch
from tables import Column, column, filled, numbers, optional_column

SCRIPT = Path(__file__).with_name("truth_ratio.py")
COLUMNS = (
    Column("true_nll", "mean NLL per token of the true answer in nats, lower = likelier"),
    Column("false_nlls", "the same of each false answer to the same question", width=4),
    Column("persona_id", "whom the item is about; rows of one person count as dependent", needed=False),
)
EXAMPLES = {
    "Still known": (
        ("0.4", "2.1, 1.8, 2.6", "ada"),
        ("0.6", "2.4, 1.9, 2.2", "bo"),
        ("0.3", "1.7, 2.6, 1.9", "caro"),
        ("0.8", "1.9, 1.6, 2.4", "dele"),
        ("0.5", "2.2, 2.7, 1.8", "eno"),
        ("0.7", "1.8, 2.1, 2.5", "fay"),
    ),
    "Forgotten": (
        ("1.5", "1.4, 1.9, 1.2", "ada"),
        ("1.7", "1.8, 1.3, 1.9", "bo"),
        ("1.2", "1.1, 1.6, 1.0", "caro"),
        ("1.9", "2.1, 1.6, 1.8", "dele"),
        ("1.4", "1.2, 1.7, 1.5", "eno"),
        ("1.6", "1.5, 1.4, 2.0", "fay"),
    ),
    "Falsehood preferred": (
        ("3.2", "1.1, 1.6, 0.9", "ada"),
        ("2.9", "1.3, 1.2, 1.0", "bo"),
        ("3.5", "1.4, 0.8, 1.2", "caro"),
        ("2.7", "1.6, 1.1, 1.3", "dele"),
        ("3.1", "0.9, 1.5, 1.2", "eno"),
        ("3.4", "1.2, 1.0, 1.7", "fay"),
    ),
}
RETAIN_ONLY = "0.8, 1.3, 0.9, 1.1, 1.0, 0.7"
MEANINGS = {
    "truth_ratio": "on forget rows: 1 = truth and falsehood are alike, 0 = told apart; higher = better forgotten",
    "truth_ratio_retain": "on retain rows: 1 = the truth is preferred, 0 = it is not; higher = better kept",
    "truth_probability": "true / (true + false); 0.5 = no preference",
    "ks_statistic": "largest distance between the two curves; 0 = alike",
    "forget_quality": "p-value; high where the two models cannot be told apart, also where there are few items",
    "forget_quality_log10": "its decimal logarithm",
    "n_retain_only": "ratios of the retain-only model",
    "n": "items",
}


def arguments(rows: Sequence[Sequence[str]], retain_only: str = RETAIN_ONLY) -> dict[str, Any]:
    """The metric's arguments from the table and from the ratios of a retain-only model, which may be left empty.

    Raises:
        ValueError: A cell is not what its column asks for (the row is named), or a ratio is no number.
    """
    given: dict[str, Any] = {
        "predictions": column(rows, 1, "false_nlls", numbers, "2.1, 1.8, 2.6"),
        "references": column(rows, 0, "true_nll", float, "0.4"),
    }
    if retain_only.strip():
        try:
            given["retain_only"] = numbers(retain_only)
        except ValueError:
            raise ValueError(f"Retain-only ratios {retain_only!r:.80}. Write them like 0.9, 1.2.") from None
    persons = optional_column(rows, 2, "persona_id", filled, "ada, in every row or in none")
    return given if persons is None else given | {"persona_id": persons}


def score(rows: Sequence[Sequence[str]], retain_only: str = RETAIN_ONLY) -> Shown:
    """What the page shows for a table."""
    call = arguments(rows, retain_only)
    result = compute(SCRIPT, **call, return_items=True)
    ratios = result["item_ratio"]
    readings = (("truth_ratio", "cm-forget"), ("truth_ratio_retain", "cm-retain"), ("truth_probability", "cm-a"))
    shares = [Bar(name, result[name], interval_of(result, name), look) for name, look in readings]
    said = "; ".join(f"{bar.name} {number(bar.value)}" for bar in shares)
    verdict = (
        "On forget rows higher is better, up to 1, where truth and falsehood are equally likely. It falls on both "
        "sides: a model that prefers falsehood has not forgotten either."
    )
    if "forget_quality" in result:
        verdict += f" Beside the retain-only model: p = {number(result['forget_quality'])}, higher = closer to it."
    return Shown(
        name="truth_ratio",
        ends=(0.0, 1.0),
        said=("truth is told apart", "no preference"),
        verdict=verdict,
        figures=(
            ("Ratios R = false / true, item by item", _figure(ratios, call.get("retain_only"), result)),
            ("Three readings of R", bars(shares, 1.0, "mean over items", said)),
        ),
        meanings=MEANINGS,
        headers=("row", "R", "truth ratio", "retain", "truth probability"),
        items=[
            [place + 1, *values]
            for place, values in enumerate(
                zip(
                    ratios,
                    result["item_truth_ratio"],
                    result["item_truth_ratio_retain"],
                    result["item_truth_probability"],
                    strict=True,
                )
            )
        ],
        result={key: value for key, value in result.items() if not key.startswith("item_")},
        call=call,
    )


def _log(ratio: float) -> float:
    """Decimal logarithm, held where a plot can show it."""
    return min(max(math.log10(ratio), -300.0), 300.0) if ratio > 0 else -300.0


def _figure(ratios: Sequence[float], retain_only: Sequence[float] | None, result: dict[str, Any]) -> str:
    """Distribution functions of both models with their largest distance; dots where there is nothing to compare."""
    ours = [_log(ratio) for ratio in ratios]
    name = "log10 R: truth likelier left of 0, falsehood right of it"
    if not retain_only:
        return dot_rows([Series("this model", ours, "cm-forget")], name, "Ratios of each item")
    theirs = [_log(ratio) for ratio in retain_only]
    low, high = span([*ours, *theirs, 0.0])
    at, mine, other = ks_place(ours, theirs)
    drawn = [
        steps("this model", ours, "cm-forget", low, high),
        steps("retain-only model", theirs, "cm-retain", low, high),
    ]
    label = f"Distribution functions of both models; their largest distance is {number(result['ks_statistic'])}"
    extra = [(at, mine, at, other, "cm-distance"), (0.0, 0.0, 0.0, 1.0, "cm-chance")]
    return curves(drawn, (low, high, name), (0.0, 1.0, "share of items at or below"), label, extra=extra)


def ks_place(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Where the two distribution functions are farthest apart, and their values there."""

    def share(values: Sequence[float], place: float) -> float:
        return sum(value <= place for value in values) / len(values)

    places = [(place, share(ours, place), share(theirs, place)) for place in sorted({*ours, *theirs})]
    return max(places, key=lambda found: abs(found[1] - found[2]))


def options(gr: Any) -> list[Any]:
    """The components beside the table."""
    return [gr.Textbox(RETAIN_ONLY, label="R of each item under a retain-only model, if you have them")]


PAGE = Page(
    folder=SCRIPT.parent,
    name="truth_ratio",
    title="Truth ratio",
    question="A model was made to forget. Can it still tell the truth from falsehood? And does it look like a model "
    "that never saw what was to be forgotten?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
    options=options,
    defaults=(RETAIN_ONLY,),
)

if __name__ == "__main__":
    launch(build(PAGE))
