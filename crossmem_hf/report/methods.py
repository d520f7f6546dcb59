# SPDX-License-Identifier: Apache-2.0
"""How methods stand side by side: which numbers are the columns of their table, and what these mean. It knows neither
how a table is made nor what was computed."""

from collections.abc import Iterator, Sequence

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.numbers import whole
from crossmem_hf.report.record import Record
from crossmem_hf.report.tables import NOTHING, Column, Table, pivot, place_words

OUTCOMES = ("forgotten", "refused", "collapsed", "still_known")
_MEASURED = (
    ("forgotten: recall", "recall", "forget"),
    ("forgotten: a word of it", "partial_recall", "forget"),
    ("forgotten: Exposure", "exposure", "forget"),
    ("retained: recall", "recall", "retain"),
    ("retained: ROUGE-L", "rouge_l_recall", "retain"),
)
_COSTS = (
    Column(head="steps", metrics=("steps",), where={}, starred_by="reached_floor"),
    Column(head="s", metrics=("wall_s",), where={}),
    Column(head="CPU s", metrics=("cpu_s",), where={}),
    Column(head="MiB", metrics=("peak_mib",), where={}),
)
_COST_METRICS = ("steps", "reached_floor", "wall_s", "cpu_s", "peak_mib")
_BRIEF = (("forgot", "recall", "forget"), ("Expos.", "exposure", "forget"), ("kept", "recall", "retain"))
_ABBREVIATED = {"image": "img", "text": "txt"}
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
    outcomes = [_outcomes(f"what became of them, {modality}", modality) for modality in MODALITIES]
    return _table(record, "forgotten through", [*columns, *outcomes, *_COSTS])


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
    return _table(record, "forgotten\nthrough", [*columns, *outcomes, *_COSTS[:2]])


def is_tabulated(metric: str) -> bool:
    """Whether a metric has a column in `method_table`."""
    return metric in {*(name for _, name, _ in _MEASURED), *OUTCOMES, *_COST_METRICS}


def method_legend(record: Record) -> Iterator[str]:
    """What the columns mean, a sentence or two each, and what failed."""
    seeds = f"{len(record.seeds)} seed{'s' if len(record.seeds) > 1 else ''}"
    yield (
        f"Percent, [95 % interval] clustered by person, {seeds} pooled; asked with new portraits (image) and new "
        f"descriptions (text). Guessing: recall {_chances(record, 'recall')} %, Exposure "
        f"{_chances(record, 'exposure')} (0 to 100, greater = more memorized). A word of it: a first or last name, or "
        "any word of a fact, is said."
    )
    if record.find("exposure"):
        yield (
            "Exposure is the rank of the truth among all values on a log scale, to be read beside guessing, base and "
            "memorized. predictions.jsonl has each rank and number of candidates. On which scale ReMem (arXiv "
            "2605.03759) reports it is not known."
        )
    if record.find(OUTCOMES[0]):
        yield (
            "What became of forgotten facts: forgotten / refused / collapsed / still known, in percent of answers. "
            "base: before learning; memorized: before unlearning; retain_only: learned the retained people only."
        )
    if record.find("steps"):
        yield (
            "steps, s (by the clock, beside other work), CPU s and MiB (peak): mean over seeds of the training alone; "
            "* a seed ran all its steps without reaching the floor."
        )
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
