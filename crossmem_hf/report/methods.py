# SPDX-License-Identifier: Apache-2.0
"""How methods stand side by side: which numbers are the columns of their tables, and what these mean. It knows neither
how a table is made nor what was computed."""

from collections.abc import Iterator, Sequence

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.numbers import whole
from crossmem_hf.report.record import Record
from crossmem_hf.report.tables import NOTHING, Column, Table, pivot, place_words, seeds_note

OUTCOMES = ("forgotten", "refused", "collapsed", "still_known")
_MEASURED = (
    ("forget set: recall", "recall", "forget"),
    ("forget set: partial recall", "partial_recall", "forget"),
    ("forget set: refusals", "refusals", "forget"),
    ("forget set: Exposure", "exposure", "forget"),
    ("forget set: Exposure among taught", "exposure_taught", "forget"),
    ("retain set: recall", "recall", "retain"),
)
_UTILITY = Column(head="utility", metrics=("utility",), where={}, with_interval=True)
_SHARES = Column(
    head="its attributes/names/refusals",
    metrics=("utility_visual_attributes", "utility_full_name", "utility_unknown_name"),
    where={},
)
_COSTS = (
    Column(head="steps", metrics=("matched_step",), where={}),
    Column(head="s", metrics=("wall_s",), where={}),
    Column(head="CPU s", metrics=("cpu_s",), where={}),
    Column(head="MiB", metrics=("peak_mib",), where={}),
)
_COST_METRICS = ("matched_step", "steps", "wall_s", "cpu_s", "peak_mib")
_BRIEF = (("forgot", "recall", "forget"), ("Expos.", "exposure", "forget"), ("kept", "recall", "retain"))
_ABBREVIATED = {"image": "img", "text": "txt"}
_OUTCOME = "outcome for the forget set"
_NAMING = 2  # columns that name a row: the method, and what it forgets through
_HOPS = {1: ", one hop", 2: ", two hops"}


def method_table(record: Record) -> Table | None:
    """A row a method and modality forgotten through, with intervals and costs; None if there is nothing to show."""
    columns = [
        Column(
            head=f"{words}, {modality}{'' if hops is None else _HOPS.get(hops, f', {hops} hops')}",
            metrics=(metric,),
            where={"group": group, "target": modality, **({} if hops is None else {"hops": hops})},
            with_interval=True,
        )
        for hops in _hops(record)
        for words, metric, group in _MEASURED
        for modality in MODALITIES
    ]
    outcomes = [_outcomes(f"{_OUTCOME}: {modality}", modality) for modality in MODALITIES]
    return _table(record, "forgotten through", [*columns, _UTILITY, _SHARES, *outcomes, *_COSTS])


def method_tables(record: Record) -> list[tuple[str, Table]]:
    """`method_table` in parts that fit a page: title and columns of forget set, retain set, outcomes, costs."""
    whole = method_table(record)
    if whole is None:
        return []
    parts: dict[str, dict[int, str]] = {}
    for place, head in enumerate(whole.heads[_NAMING:], start=_NAMING):
        title, colon, rest = head.partition(": ")
        parts.setdefault(title if colon else "costs", {})[place] = rest or head
    return [(title[0].upper() + title[1:], _part(whole, heads)) for title, heads in parts.items()]


def _part(whole: Table, heads: dict[int, str]) -> Table:
    rows = tuple((*row[:_NAMING], *(row[place] for place in heads)) for row in whole.rows)
    right = frozenset(range(_NAMING, _NAMING + len(heads)))
    filled = tuple(row for row in rows if {*row[_NAMING:]} != {NOTHING})
    return Table((*whole.heads[:_NAMING], *heads.values()), filled, right=right)


def brief_method_table(record: Record) -> Table | None:
    """The same without intervals, in at most 110 characters; a narrower console sets parts of it under one another."""
    columns = [
        Column(
            head=f"{words}\n{_ABBREVIATED[modality]}",
            metrics=(metric,),
            where={"group": group, "target": modality},
        )
        for words, metric, group in _BRIEF
        for modality in MODALITIES
    ]
    outcomes = [_outcomes(f"forgotten/refused/\ncollapsed/known {_ABBREVIATED[one]}", one) for one in MODALITIES]
    return _table(record, "forgotten\nthrough", [*columns, *outcomes, *_COSTS[:1]])


def is_tabulated(metric: str) -> bool:
    """Whether a metric has a column in `method_table`."""
    return metric in {
        *(name for _, name, _ in _MEASURED),
        *OUTCOMES,
        *_COST_METRICS,
        *_UTILITY.metrics,
        *_SHARES.metrics,
    }


def method_legend(record: Record) -> Iterator[str]:
    """What the columns mean, a sentence or two each, and what failed."""
    seeds = f"{len(record.seeds)} persona seed{'s' if len(record.seeds) > 1 else ''}"
    yield (
        f"Percent [95 % interval] over {seeds} and their personas; asked with new portraits (image) and new "
        "descriptions (text). Recall: the full name, or the whole fact, and nothing else. Partial recall: a first or "
        "last name, or any word of a fact. "
        f"Forced choice among the candidates would give recall {_chances(record, 'recall')} % and Exposure "
        f"{_chances(record, 'exposure')} (0 to 100, greater = more memorized); a model that answers freely is held "
        "against retain_only."
    )
    if note := seeds_note(record.measurements):
        yield note
    if record.find("exposure"):
        yield (
            "Exposure is the rank of the truth on a log scale, among values that no model was taught; among taught: "
            "among the values of all personas of the seed. On which scale ReMem (arXiv 2605.03759) reports it is not "
            "known."
        )
    if record.find(OUTCOMES[0]):
        yield (
            "Outcome, in percent of answers about the forget set: forgotten (something else is answered, and the "
            "truth does not rank first) / refused / degenerate (`collapsed` in the record: empty, symbols, repetition "
            "or improbable text) / still known (the truth is answered, or ranks first). base: before learning; "
            "memorized: before unlearning; retain_only: learned the retain set only."
        )
    if record.find("utility"):
        yield (
            "Utility is what the base knows of others than the personas: visual attributes and names of background "
            "personas, and refusals to name those whom it does not know: the mean of the three shares, which stand "
            "beside it, as a mean hides that one of them is gone."
        )
    if record.find("matched_step"):
        yield (
            "Each method is shown, seed by seed, at the last evaluated step at which recall of the retained is at "
            "least 90 % of the memorized model's: steps is its mean over seeds, 0 (before unlearning) where it is at "
            "none. s (by the clock, beside other work), CPU s and MiB (peak): mean over seeds of the whole training."
        )
    elif record.find("steps"):
        yield "s (by the clock, beside other work), CPU s and MiB (peak): mean over seeds of the training alone."
    yield from map(place_words, record.failures)


def _table(record: Record, through: str, columns: Sequence[Column]) -> Table | None:
    about_methods = [m for m in record.measurements if "method" in m.where]
    return pivot(about_methods, {"method": "method", "forget_modality": through}, columns, record.failures)


def _outcomes(head: str, modality: str) -> Column:
    return Column(head=head, metrics=OUTCOMES, where={"group": "forget", "target": modality})


def _hops(record: Record) -> tuple[int | None, ...]:
    """The kinds of questions that are told apart: all together, then each number of hops if there are several."""
    return (None, *sorted({hops for m in record.measurements if isinstance(hops := m.where.get("hops"), int)}))


def _chances(record: Record, metric: str) -> str:
    """The chance level, or the lowest and the highest where kinds of questions differ."""
    about = sorted((m for m in record.find(metric) if m.chance), key=lambda m: m.chance or 0.0)
    shown = [whole(m, m.chance) for m in about[:1] + about[-1:] if m.chance is not None]
    return " to ".join(dict.fromkeys(shown)) or NOTHING
