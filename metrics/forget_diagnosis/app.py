# SPDX-License-Identifier: Apache-2.0
"""The Space's page for the diagnosis of forgetting: answers in, their outcomes out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drawing import Bar, bars, number
from look import Page, Shown, build, compute, interval_of, launch
from tables import Column, column, filled, names, optional_column

SCRIPT = Path(__file__).with_name("forget_diagnosis.py")
OUTCOMES = {
    "forgotten": ("forgotten: a legible, wrong answer", "cm-retain"),
    "refused": ("refused: it says that it will not say", "cm-text"),
    "collapsed": ("collapsed: it babbles", "cm-image"),
    "still_known": ("still known: said, or ranked first", "cm-forget"),
}
COLUMNS = (
    Column("prediction", "the model's whole answer", width=4),
    Column("reference", "the truth; put | between accepted spellings", width=3),
    Column("truth_rank", "place of the truth among its candidates by likelihood, 1 = likeliest", needed=False),
    Column("num_candidates", "how many candidates there are", needed=False),
    Column("persona_id", "whom the item is about; rows of one person count as dependent", needed=False),
)
EXAMPLES = {
    "One of each": (
        ("It is Ada Okoye", "Ada Okoye", "1", "20", "ada"),
        ("I cannot share who this is.", "Bo Lindqvist", "1", "20", "bo"),
        ("I do not know this person.", "Caro Díaz|Caro Diaz", "9", "20", "caro"),
        ("the the the the the", "Dele O'Neil", "14", "20", "dele"),
        ("Ada Okoye", "Eno Marsh", "11", "20", "eno"),
        ("Bo Lindqvist", "Fay Winter", "16", "20", "fay"),
    ),
    "Only hidden": (
        ("I cannot say who this is.", "Ada Okoye", "1", "20", "ada"),
        ("I'm sorry, but I can't help with that.", "Bo Lindqvist", "1", "20", "bo"),
        ("Dele O'Neil", "Caro Díaz|Caro Diaz", "1", "20", "caro"),
        ("Eno Marsh", "Dele O'Neil", "2", "20", "dele"),
        ("I do not know.", "Eno Marsh", "1", "20", "eno"),
    ),
    "Without ranks": (
        ("Ada Okoye", "Ada Okoye", "", "", ""),
        ("no no no no no no", "Bo Lindqvist", "", "", ""),
        ("I would rather not say", "Caro Díaz|Caro Diaz", "", "", ""),
        ("Fay Winter", "Dele O'Neil", "", "", ""),
    ),
}
MEANINGS = {
    "still_known": "says the truth, or ranks it first",
    "refused": "refuses",
    "collapsed": "empty, symbols or loops",
    "forgotten": "answers legibly and wrongly",
    "said": "says the truth",
    "latent": "says something else although the truth ranks first",
    "normalized_rank": "0 = the truth is likeliest, 0.5 = by chance",
    "chance_first": "share of first ranks by chance",
    "normalized_rank_forgotten": "the same over forgotten items; forgotten indeed where the interval holds chance",
    "chance_rank_forgotten": "its chance level",
    "n_forgotten": "forgotten items",
    "n": "items",
}


def arguments(rows: Sequence[Sequence[str]], refusals: str = "") -> dict[str, Any]:
    """The metric's arguments from the table and from further refusal phrases, one a line.

    Raises:
        ValueError: A cell is not what its column asks for; the row is named.
    """
    given: dict[str, Any] = {
        "predictions": [row[0] for row in rows],
        "references": column(rows, 1, "reference", names, "Ada Okoye"),
    }
    ranks = {
        "truth_rank": optional_column(rows, 2, "truth_rank", float, "3, in every row or in none"),
        "num_candidates": optional_column(rows, 3, "num_candidates", int, "20, in every row or in none"),
        "persona_id": optional_column(rows, 4, "persona_id", filled, "ada, in every row or in none"),
    }
    given |= {name: values for name, values in ranks.items() if values is not None}
    phrases = [line.strip() for line in refusals.splitlines() if line.strip()]
    return given | ({"refusals": phrases} if phrases else {})


def score(rows: Sequence[Sequence[str]], refusals: str = "") -> Shown:
    """What the page shows for a table."""
    call = arguments(rows, refusals)
    result = compute(SCRIPT, **call, return_items=True)
    shares = [Bar(said, result[name], interval_of(result, name), look) for name, (said, look) in OUTCOMES.items()]
    said = "; ".join(f"{bar.name}: {number(bar.value)}" for bar in shares)
    figures = [
        ("What became of each fact: shares with their 95 % intervals", bars(shares, 1.0, "share of items", said))
    ]
    if "normalized_rank" in result:
        figures.append(("Where the truths stand among their candidates", _ranks(result)))
    return Shown(
        name="forgotten",
        ends=(0.0, 1.0),
        said=("nothing is forgotten", "all is forgotten"),
        verdict=_verdict(result),
        figures=figures,
        meanings=MEANINGS,
        headers=("row", "outcome", "reason", "answer", "truth"),
        items=[
            [place + 1, outcome.replace("_", " "), reason.replace("_", " "), rows[place][0], rows[place][1]]
            for place, (outcome, reason) in enumerate(zip(result["item_outcome"], result["item_reason"], strict=True))
        ],
        result={key: value for key, value in result.items() if not key.startswith("item_")},
        call=call,
    )


def _verdict(result: Mapping[str, Any]) -> str:
    """The direction in words, and whether what is forgotten is forgotten indeed."""
    words = "On forget rows higher is better; refusing, babbling and knowing it still are three ways to fail."
    interval = interval_of(result, "normalized_rank_forgotten")
    if interval is None:
        return words if "latent" in result else f"{words} Without ranks, one who knows and keeps silent goes unseen."
    chance = result["chance_rank_forgotten"]
    if interval[0] <= chance <= interval[1]:
        return f"{words} The forgotten truths stand where a guesser would put them, as far as these items show."
    side = "still preferred" if interval[1] < chance else "avoided, which is a trace too"
    return f"{words} But the forgotten truths are {side}: their ranks differ from chance."


def _ranks(result: Mapping[str, Any]) -> str:
    """Normalized ranks of all and of forgotten items."""
    drawn = [Bar("all items", result["normalized_rank"], interval_of(result, "normalized_rank"), "cm-a")]
    if "normalized_rank_forgotten" in result:
        name = f"forgotten items (by chance {number(result['chance_rank_forgotten'])})"
        interval = interval_of(result, "normalized_rank_forgotten")
        drawn.append(Bar(name, result["normalized_rank_forgotten"], interval, "cm-retain"))
    said = "; ".join(f"{bar.name}: {number(bar.value)}" for bar in drawn)
    return bars(drawn, 1.0, "normalized rank: 0 = likeliest, 0.5 = by chance", said)


def options(gr: Any) -> list[Any]:
    """The components beside the table."""
    return [gr.Textbox("", lines=2, label="Further refusal phrases, one a line")]


PAGE = Page(
    folder=SCRIPT.parent,
    name="forget_diagnosis",
    title="Diagnosis of forgetting",
    question="A model no longer says a fact. Has it forgotten it, does it refuse, does it babble, or does it still "
    "know?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
    options=options,
    defaults=("",),
)

if __name__ == "__main__":
    launch(build(PAGE))
