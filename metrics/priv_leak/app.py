# SPDX-License-Identifier: Apache-2.0
"""The Space's page for PrivLeak: token log-probabilities in, the leak out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drawing import Curve, Series, curves, dot_rows, number
from look import Page, Shown, build, compared, compute, interval_of, launch
from tables import Column, column, filled, numbers, optional_column

SCRIPT = Path(__file__).with_name("priv_leak.py")
SIDES = {"forget": 1, "holdout": 0}
COLUMNS = (
    Column("side", "forget or holdout: rows to be forgotten, or rows never learned"),
    Column("logprobs", "log-probability of each token under the unlearned model in nats, 0 or less", width=4),
    Column("retain_only_logprobs", "the same under a model that never saw the forget rows", needed=False, width=4),
    Column("persona_id", "whom the row is about; rows of one person count as dependent", needed=False),
)
EXAMPLES = {
    "Still memorized": (
        ("forget", "-0.1, -0.3, -0.2, -0.9", "", "ada"),
        ("forget", "-0.4, -1.7, -1.1", "", "bo"),
        ("forget", "-0.2, -0.1, -0.5, -0.3", "", "caro"),
        ("forget", "-0.6, -0.4, -1.0", "", "dele"),
        ("forget", "-0.7, -0.2, -0.3", "", "eno"),
        ("holdout", "-1.9, -0.7, -2.4", "", "fay"),
        ("holdout", "-0.8, -3.1, -1.2, -0.6", "", "gus"),
        ("holdout", "-0.3, -1.5, -0.9", "", "hana"),
        ("holdout", "-2.2, -1.1, -0.7", "", "ivo"),
        ("holdout", "-0.5, -1.9, -0.8", "", "jun"),
    ),
    "Pushed too far": (
        ("forget", "-8.1, -6.3, -9.2, -7.9", "", "ada"),
        ("forget", "-7.4, -9.6, -5.1", "", "bo"),
        ("forget", "-6.2, -8.1, -7.5, -9.3", "", "caro"),
        ("forget", "-1.1, -2.9, -0.8", "", "dele"),
        ("holdout", "-1.9, -0.7, -2.4", "", "eno"),
        ("holdout", "-0.8, -3.1, -1.2, -0.6", "", "fay"),
        ("holdout", "-0.3, -1.5, -0.9", "", "gus"),
        ("holdout", "-2.2, -1.1, -0.7", "", "hana"),
    ),
    "Beside a retain-only model": (
        ("forget", "-0.9, -1.3, -0.2, -0.9", "-2.1, -0.3, -1.2, -0.9", "ada"),
        ("forget", "-0.4, -2.6, -1.1", "-0.4, -2.9, -1.1", "bo"),
        ("forget", "-1.2, -2.1, -0.5, -0.3", "-1.8, -0.7, -0.5, -2.3", "caro"),
        ("forget", "-0.6, -0.4, -1.0", "-1.6, -0.4, -1.0", "dele"),
        ("holdout", "-1.9, -0.7, -2.4", "-1.8, -0.7, -2.2", "eno"),
        ("holdout", "-0.8, -3.1, -1.2, -0.6", "-0.9, -2.8, -1.2, -0.6", "fay"),
        ("holdout", "-0.3, -1.5, -0.9", "-0.3, -1.4, -0.9", "gus"),
        ("holdout", "-2.2, -1.1, -0.7", "-2.0, -1.1, -0.7", "hana"),
    ),
}
MEANINGS = {
    "priv_leak": "percent; 0 = as a model that never saw the rows, below = still memorized, above = pushed too far",
    "auc": "chance that a holdout row is likelier than a forget row; 0 = all memorized",
    "auc_retain_only": "the same of the model that never saw the forget rows",
    "n_forget": "rows to be forgotten",
    "n_holdout": "rows never learned",
    "n": "rows",
}


def _side(cell: str) -> int:
    try:
        return SIDES[cell.strip().lower()]
    except KeyError:
        raise ValueError from None


def arguments(rows: Sequence[Sequence[str]], auc_retain_only: float = 0.5, k: float = 0.4) -> dict[str, Any]:
    """The metric's arguments from the table; a filled column of the retain-only model replaces `auc_retain_only`.

    Raises:
        ValueError: A cell is not what its column asks for; the row is named.
    """
    given: dict[str, Any] = {
        "predictions": column(rows, 1, "logprobs", numbers, "-0.1, -0.3, -0.2"),
        "references": column(rows, 0, "side", _side, "forget, or holdout"),
        "k": k,
    }
    retain_only = optional_column(rows, 2, "retain_only_logprobs", numbers, "-0.1, -0.3, in every row or in none")
    given |= {"auc_retain_only": auc_retain_only} if retain_only is None else {"retain_only_predictions": retain_only}
    persons = optional_column(rows, 3, "persona_id", filled, "ada, in every row or in none")
    return given if persons is None else given | {"persona_id": persons}


def score(rows: Sequence[Sequence[str]], auc_retain_only: float = 0.5, k: float = 0.4) -> Shown:
    """What the page shows for a table."""
    call = arguments(rows, auc_retain_only, k)
    result = compute(SCRIPT, **call, return_items=True)
    scores, sides = result["item_score"], call["references"]
    retain_only = result.get("item_retain_only_score")
    figures = [("Score of each row: Min-K% under the unlearned model", _dots(scores, sides))]
    if retain_only:
        figures.append(("The same under the model that never saw the forget rows", _dots(retain_only, sides)))
    figures.append(("ROC curve in MUSE's orientation", roc_plot(scores, sides, retain_only, result)))
    names = {value: side for side, value in SIDES.items()}
    return Shown(
        name="priv_leak",
        ends=(-100.0, max(100.0, 100.0 * (1.0 / result["auc_retain_only"] - 1.0))),
        said=("still memorized", "pushed away too far"),
        mark=(0.0, "ideal"),
        verdict=compared(
            interval_of(result, "priv_leak"),
            0.0,
            "Below 0: the forget rows still stand out as likelier than rows never learned.",
            "The interval holds 0: these rows do not show that the forget rows stand out.",
            "Above 0: the forget rows are less likely than rows never learned, so somebody pushed them down.",
        ),
        figures=figures,
        meanings=MEANINGS,
        headers=("row", "side", "score", *(["score, retain-only"] if retain_only else [])),
        items=[
            [place + 1, names[side], value, *([retain_only[place]] if retain_only else [])]
            for place, (side, value) in enumerate(zip(sides, scores, strict=True))
        ],
        result={key: value for key, value in result.items() if not key.startswith("item_")},
        call=call,
    )


def _dots(scores: Sequence[float], sides: Sequence[int]) -> str:
    series = [
        Series(name, [score for score, side in zip(scores, sides, strict=True) if side == value], f"cm-{look}")
        for (name, value), look in zip(SIDES.items(), ("forget", "retain"), strict=True)
    ]
    return dot_rows(series, "mean log-probability of the weakest tokens, nats", "Scores of forget and holdout rows")


def roc_points(scores: Sequence[float], sides: Sequence[int]) -> list[tuple[float, float]]:
    """Share of the forget rows against share of the holdout rows above each threshold: the area under it is `auc`."""
    forget = sum(sides)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        above = [side for score, side in zip(scores, sides, strict=True) if score >= threshold]
        points.append((sum(above) / forget, (len(above) - sum(above)) / (len(sides) - forget)))
    return points


def roc_plot(
    scores: Sequence[float], sides: Sequence[int], retain_only: Sequence[float] | None, result: dict[str, Any]
) -> str:
    """The curves of both models beside the diagonal."""
    drawn = [Curve(f"unlearned: area {number(result['auc'])}", roc_points(scores, sides), "cm-a")]
    if retain_only:
        said = f"never saw the forget rows: area {number(result['auc_retain_only'])}"
        drawn.append(Curve(said, roc_points(retain_only, sides), "cm-retain"))
    axes = (0.0, 1.0, "share of forget rows found"), (0.0, 1.0, "share of holdout rows found")
    said = "; ".join(curve.name for curve in drawn)
    return curves(drawn, *axes, said, extra=[(0.0, 0.0, 1.0, 1.0, "cm-chance")])


def options(gr: Any) -> list[Any]:
    """The components beside the table."""
    return [
        gr.Slider(
            0.01, 1.0, value=0.5, step=0.01, label="AUC of a model that never saw the forget rows, if not above"
        ),
        gr.Slider(0.05, 1.0, value=0.4, step=0.05, label="k: share of the tokens that counts (MUSE: 0.4)"),
    ]


PAGE = Page(
    folder=SCRIPT.parent,
    name="priv_leak",
    title="PrivLeak",
    question="Rows were to be forgotten. Does their likelihood still betray that they were learned, or that somebody "
    "pushed it down?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
    options=options,
    defaults=(0.5, 0.4),
)

if __name__ == "__main__":
    launch(build(PAGE))
