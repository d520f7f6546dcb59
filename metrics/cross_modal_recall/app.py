# SPDX-License-Identifier: Apache-2.0
"""The Space's page for cross-modal recall: answers in, the 2 x 2 matrix out. Run it with `python app.py`.

Owns the table's columns and the figures. The numbers come from the metric beside it, loaded as anybody would load it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drawing import MODALITIES, Bar, Cell, bars, matrix, number
from look import Page, Shown, build, compared, compute, interval_of, launch
from tables import Column, column, filled, names

SCRIPT = Path(__file__).with_name("cross_modal_recall.py")
COLUMNS = (
    Column("persona_id", "whom the question is about; rows of one person count as dependent"),
    Column("source", "image or text: how the name was learned"),
    Column("target", "image or text: how it is asked for"),
    Column("prediction", "the model's answer; an empty one is an answer", width=3),
    Column("reference", "the true name; put | between accepted spellings", width=3),
)
_PERSONAS = {
    "p0": "Ada Okoye",
    "p1": "Bo Lindqvist",
    "p2": "Caro Díaz|Caro Diaz",
    "p3": "Dele O'Neil",
    "p4": "Eno Marsh",
    "p5": "Fay Winter",
}


def _example(right: Mapping[tuple[str, str], int]) -> list[list[str]]:
    """Six people, of whom the first few of each cell are named rightly and the others by their neighbor's name."""
    rows = []
    for (source, target), count in right.items():
        truths = list(_PERSONAS.values())
        for place, (person, truth) in enumerate(_PERSONAS.items()):
            said = truth if place < count else truths[(place + 1) % len(truths)]
            rows.append([person, source, target, said.split("|")[0], truth])
    return rows


EXAMPLES = {
    "A gap": _example({("image", "image"): 6, ("image", "text"): 3, ("text", "text"): 5, ("text", "image"): 2}),
    "No gap": _example({("image", "image"): 6, ("image", "text"): 6, ("text", "text"): 6, ("text", "image"): 5}),
    "Learned from images only": _example({("image", "image"): 6, ("image", "text"): 2}),
}
MEANINGS = {
    "image_to_image": "learned from images, asked with an image",
    "image_to_text": "learned from images, asked in text",
    "text_to_image": "learned from text, asked with an image",
    "text_to_text": "learned from text, asked in text",
    "gap_image": "lost on the way from images to text; 0 = nothing",
    "gap_text": "lost on the way from text to images; 0 = nothing",
    "transfer_image": "share of what images taught that text recalls; 1 = all",
    "transfer_text": "share of what text taught that images recall; 1 = all",
    "chance": "what guessing among the names would give",
}


def arguments(rows: Sequence[Sequence[str]], match: str = "exact", num_candidates: float | None = 6) -> dict[str, Any]:
    """The metric's arguments from the table; without `num_candidates` there is no chance level.

    Raises:
        ValueError: A cell is not what its column asks for; the row is named.
    """
    given: dict[str, Any] = {
        "predictions": [row[3] for row in rows],
        "references": column(rows, 4, "reference", names, "Ada Okoye"),
        "source": column(rows, 1, "source", filled, "image"),
        "target": column(rows, 2, "target", filled, "text"),
        "persona_id": column(rows, 0, "persona_id", filled, "p0"),
        "match": match,
    }
    return given | ({"num_candidates": int(num_candidates)} if num_candidates else {})


def score(rows: Sequence[Sequence[str]], match: str = "exact", num_candidates: float | None = 6) -> Shown:
    """What the page shows for a table: the gap of the first source with both cells, else the first cell."""
    call = arguments(rows, match, num_candidates)
    result = compute(SCRIPT, **call)
    # `n` of the whole table, because the metric gives one a number only
    result["n"] = len(rows)
    name = next((f"gap_{source}" for source in MODALITIES if f"gap_{source}" in result), "")
    is_gap = bool(name)
    name = name or next(cell for cell in MEANINGS if cell in result)
    level = 0.0 if is_gap else result.get("chance", 0.0)
    verdict = compared(
        interval_of(result, name),
        level,
        "More is recalled through the other modality than through the one it was learned in.",
        "The interval holds 0: these answers do not show that anything is lost between the modalities.",
        "What was learned through one modality is recalled worse through the other.",
    )
    return Shown(
        name=name,
        ends=(-1.0, 1.0) if is_gap else (0.0, 1.0),
        said=("the other is better", "nothing crosses over") if is_gap else ("nothing recalled", "all recalled"),
        mark=(level, "no gap") if is_gap else (level, "chance") if "chance" in result else None,
        verdict=verdict if is_gap else "Only one way of asking: fill in the other modality to see the gap.",
        figures=_figures(result),
        meanings=MEANINGS | {"n": "rows of the table"},
        headers=("row", "learned from", "asked with", "answer", "truth"),
        items=[[place + 1, *row[1:3], row[3], row[4]] for place, row in enumerate(rows)],
        result={key: value for key, value in result.items() if not key.endswith("_n")},
        call=call,
    )


def _figures(result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The matrix, and the transfer of each source that has one."""
    cells = {
        (source, target): Cell(result[name], interval_of(result, name), result[f"{name}_n"])
        for source in MODALITIES
        for target in MODALITIES
        if (name := f"{source}_to_{target}") in result
    }
    found = [("Recall: how it was learned, and how it is asked for", matrix(cells, result.get("chance")))]
    transfers = [
        Bar(MEANINGS[name], result[name], interval_of(result, name), f"cm-{source}")
        for source in MODALITIES
        if (name := f"transfer_{source}") in result
    ]
    if transfers:
        high = max([1.0, *(bar.interval[1] if bar.interval else bar.value for bar in transfers)])
        said = "; ".join(f"{bar.name}: {number(bar.value)}" for bar in transfers)
        found.append(("Transfer: other modality / same modality", bars(transfers, high, "transfer", said)))
    return tuple(found)


def options(gr: Any) -> list[Any]:
    """The components beside the table."""
    return [
        gr.Radio(["exact", "contains"], value="exact", label="The answer must be the name, or contain it"),
        gr.Number(
            6, label="Names a guesser could choose from (0: no chance level)", minimum=0, maximum=10**9, precision=0
        ),
    ]


PAGE = Page(
    folder=SCRIPT.parent,
    name="cross_modal_recall",
    title="Cross-modal recall",
    question="A model learned people's names from pictures only. Asked with a description, does it still know "
    "them? And the other way round?",
    columns=COLUMNS,
    examples=EXAMPLES,
    score=score,
    options=options,
    defaults=("exact", 6),
)

if __name__ == "__main__":
    launch(build(PAGE))
