# SPDX-License-Identifier: Apache-2.0
"""The Space's page for Exposure: candidates' likelihoods in, ranks out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drawing import LEFT, RIGHT, WIDTH, Axis, Bar, bars, bottom_axis, dot, left_axis, line, number, span, svg, words
from look import Page, Shown, build, compared, compute, interval_of, launch
from tables import Column, column, filled, numbers, optional_column

SCRIPT = Path(__file__).with_name("exposure.py")
MAX_STRIPS = 10
COLUMNS = (
    Column(
        "nll",
        "negative log-likelihood of each candidate in nats, lower = likelier; lists may differ in length",
        width=5,
    ),
    Column("truth", "place of the true value in its list, from 0"),
    Column("persona_id", "whom the item is about; rows of one person count as dependent", needed=False),
)
EXAMPLES = {
    "Memorized": (
        ("1.2, 4.8, 5.1, 3.9, 6.0, 5.5, 4.9, 5.7", "0", "ada"),
        ("4.4, 0.9, 5.2, 4.1, 6.3, 5.8, 5.0, 4.7", "1", "ada"),
        ("5.1, 4.9, 2.7, 2.2, 5.9, 6.1, 4.6, 5.3", "2", "bo"),
        ("6.2, 5.5, 5.3, 0.4, 6.0, 5.8, 5.9, 6.4", "3", "caro"),
        ("4.8, 5.2, 4.1, 5.0, 1.6, 5.6, 6.1, 4.9", "4", "dele"),
    ),
    "Forgotten": (
        ("4.9, 4.8, 5.1, 3.9, 6.0, 5.5, 4.9, 5.7", "0", "ada"),
        ("4.4, 5.9, 5.2, 4.1, 6.3, 5.8, 5.0, 4.7", "1", "ada"),
        ("5.1, 4.9, 4.7, 4.2, 5.9, 6.1, 4.6, 5.3", "2", "bo"),
        ("6.2, 5.5, 5.3, 5.6, 6.0, 5.8, 5.9, 6.4", "3", "caro"),
        ("4.8, 5.2, 4.1, 5.0, 5.3, 5.6, 6.1, 4.9", "4", "dele"),
    ),
    "Avoided": (
        ("9.7, 4.8, 5.1, 3.9, 6.0, 5.5, 4.9, 5.7", "0", "ada"),
        ("4.4, 8.8, 5.2, 4.1, 6.3, 5.8, 5.0, 4.7", "1", "ada"),
        ("5.1, 4.9, 6.0, 4.2, 5.9, 6.1, 4.6, 5.3", "2", "bo"),
        ("6.2, 5.5, 5.3, 9.1, 6.0, 5.8, 5.9, 6.4", "3", "caro"),
        ("4.8, 5.2, 4.1, 5.0, 7.9, 5.6, 6.1, 4.9", "4", "dele"),
    ),
}
MEANINGS = {
    "exposure": "log: 100 = the truth is likelier than all rivals, 0 = last",
    "chance_exposure": "what a model that knows nothing would get with as many candidates",
    "exposure_bits": "log2 of the candidates minus log2 of the rank, as Carlini et al. count",
    "chance_exposure_bits": "the bits of a model that knows nothing",
    "exposure_linear": "the same without logarithms, 0 to 100",
    "chance_exposure_linear": "50, with any number of candidates",
    "mrr": "mean of 1 / rank",
    "chance_mrr": "the mean of 1 / rank of a model that knows nothing",
    "rank": "mean rank, 1 = likeliest",
    "chance_rank": "the middle rank",
    "n": "items",
}
NORMALIZATIONS = {"exposure": "log", "exposure_bits": "bits", "exposure_linear": "linear", "mrr": "reciprocal rank"}


def arguments(rows: Sequence[Sequence[str]], ties: str = "mid") -> dict[str, Any]:
    """The metric's arguments from the table.

    Raises:
        ValueError: A cell is not what its column asks for; the row is named.
    """
    given: dict[str, Any] = {
        "predictions": column(rows, 0, "nll", numbers, "1.2, 4.8, 5.1"),
        "references": column(rows, 1, "truth", int, "0"),
        "ties": ties,
    }
    persons = optional_column(rows, 2, "persona_id", filled, "ada, in every row or in none")
    return given if persons is None else given | {"persona_id": persons}


def score(rows: Sequence[Sequence[str]], ties: str = "mid") -> Shown:
    """What the page shows for a table."""
    call = arguments(rows, ties)
    result = compute(SCRIPT, **call, return_items=True)
    ranks, exposures = result["item_rank"], result["item_exposure"]
    chance = result["chance_exposure"]
    items = [
        [place + 1, rank, count, exposure, expected]
        for place, (rank, count, exposure, expected) in enumerate(
            zip(ranks, result["item_num_candidates"], exposures, result["item_chance_exposure"], strict=True)
        )
    ]
    return Shown(
        name="exposure",
        ends=(0.0, 100.0),
        said=("last of all", "first: memorized"),
        mark=(chance, "chance"),
        verdict=compared(
            interval_of(result, "exposure"),
            chance,
            "Below chance: the truth stands lower than guessing would put it. The model learned to avoid it, which "
            "is a trace too.",
            "The interval holds the chance level: these items do not show that the truth is preferred or avoided.",
            "Above chance: the model still prefers the truth to its rivals. After unlearning, lower is better, as far "
            "as chance. Compare with the base model and the memorized model on the same items.",
        ),
        figures=(
            ("Where the truth stands among its candidates", strips(call["predictions"], call["references"], ranks)),
            ("Rank plot: items by Exposure", rank_plot(exposures, chance)),
            ("Four normalizations of the same ranks", normalizations(result)),
        ),
        meanings=MEANINGS,
        headers=("row", "rank", "candidates", "exposure", "chance"),
        items=items,
        result={name: value for name, value in result.items() if not name.startswith("item_")},
        call=call,
    )


def strips(nlls: Sequence[Sequence[float]], truths: Sequence[int], ranks: Sequence[float]) -> str:
    """The first items, a line each: rivals as rings, the truth as a disc."""
    drawn = list(zip(nlls, truths, ranks, strict=True))[:MAX_STRIPS]
    axis = Axis(*span([value for values, _, _ in drawn for value in values]), LEFT, WIDTH - 58)
    body, y = [], 12.0
    for place, (values, truth, rank) in enumerate(drawn):
        body.append(words(2, y + 4, str(place + 1), look="cm-tick"))
        body.append(line(axis.start, y, axis.end, y, "cm-grid"))
        body += [
            dot(axis(value), y, "cm-rival", title=number(value)) for at, value in enumerate(values) if at != truth
        ]
        body.append(dot(axis(values[truth]), y, "cm-a", size=5.5, title=f"the truth: {number(values[truth])}"))
        body.append(words(WIDTH - 2, y + 4, f"{number(rank)} of {len(values)}", anchor="end"))
        y += 24
    body.append(bottom_axis(axis, y, "negative log-likelihood, nats: likelier to the left"))
    more = f" The first {MAX_STRIPS} of {len(nlls)} items." if len(nlls) > MAX_STRIPS else ""
    return svg(y + 36, "".join(body), f"The truth among its candidates by likelihood, one line an item.{more}")


def rank_plot(exposures: Sequence[float], chance: float) -> str:
    """Exposures from the highest to the lowest, and the chance level."""
    ordered = sorted(exposures, reverse=True)
    across, up = Axis(0.5, len(ordered) + 0.5, LEFT, WIDTH - RIGHT), Axis(0.0, 100.0, 180, 24)
    body = [left_axis(up, LEFT, "Exposure"), line(across.start, up(chance), across.end, up(chance), "cm-chance")]
    for place, value in enumerate(ordered, start=1):
        if len(ordered) <= 60:
            body.append(line(across(place), up(0), across(place), up(value), "cm-rule"))
        body.append(dot(across(place), up(value), "cm-a", size=4 if len(ordered) <= 60 else 2, title=number(value)))
    body.append(words(across.end, up(chance) - 5, f"chance {number(chance)}", anchor="end", look="cm-tick"))
    body.append(line(across.start, up(0), across.end, up(0), "cm-rule"))
    body.append(words((across.start + across.end) / 2, 198, "items, the most exposed first", anchor="middle"))
    return svg(204, "".join(body), f"{len(ordered)} items sorted by Exposure; chance is {number(chance)}")


def normalizations(result: Mapping[str, Any]) -> str:
    """Each normalization as a share of its range, its chance level marked."""
    tops = {"exposure": 100.0, "exposure_linear": 100.0, "mrr": 1.0}
    tops["exposure_bits"] = math.log2(max(result["item_num_candidates"]))
    drawn = []
    for name, said in NORMALIZATIONS.items():
        value, chance, top = result[name], result[f"chance_{name}"], tops[name]
        low, high = result[f"{name}_ci_low"], result[f"{name}_ci_high"]
        label = f"{said}: {number(value)}, chance {number(chance)}"
        drawn.append(Bar(label, value / top, (low / top, high / top), "cm-a", chance / top))
    said = "; ".join(bar.name for bar in drawn)
    return bars(drawn, 1.0, "share of the range (dashed: chance)", said)


def options(gr: Any) -> list[Any]:
    """The components beside the table."""
    return [gr.Radio(["mid", "best", "worst"], value="mid", label="Rank of a truth that ties with rivals")]


PAGE = Page(
    folder=SCRIPT.parent,
    name="exposure",
    title="Exposure",
    question="A model no longer says a secret. Has it forgotten it, or does it still find it likelier than the "
    "alternatives?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
    options=options,
    defaults=("mid",),
)

if __name__ == "__main__":
    launch(build(PAGE))
