# SPDX-License-Identifier: Apache-2.0
"""What each attack gets out of unlearned models beyond what it gets out of the retain-only one. It knows no study."""

from collections.abc import Mapping
from statistics import fmean
from typing import Final

from crossmem_hf.report.numbers import joined
from crossmem_hf.report.record import BASELINES, ENOUGH_SEEDS, Measurement, Record, Value
from crossmem_hf.report.tables import NOTHING, Column, Table, pivot

WORST: Final = "worst of other seeds"
"""Row of what the attack leaves that leaves most in the other seeds."""
ALL: Final = "any"
"""Value of the key ``attack`` where all count together."""
PLAIN: Final = "none"
"""That of the question as it is."""
_MEMORIZED: Final = BASELINES[1]
_UNTOUCHED: Final = "seeds in which no step keeps 90 % of the retained, so that nothing was unlearned"
_SEES: Final = 0.5
"""What an attack gets out of the memorized model, at least, if it is not blind."""


def residual_table(record: Record, through: str) -> Table | None:
    """A row an attack, a column a method, and one of the memorized model: residual in percent with its interval, of
    both modalities asked in together; None if nothing of it was measured. Attacks that get less than half out of the
    memorized model are called blind.

    Args:
        through: Modality that was forgotten through, or "both".
    """
    whole = [one for one in record.measurements if "target" not in one.where and "seed" not in one.where]
    found = [_row(one) for one in whole if one.metric in ("residual", "residual_worst")]
    of_methods = [one for one in found if one.where.get("forget_modality") == through]
    known = [one for one in found if one.where.get("method") == _MEMORIZED]
    if not of_methods:
        return None
    methods = dict.fromkeys(str(one.where["method"]) for one in of_methods)
    columns = [_column(_MEMORIZED, {})]
    columns += [_column(name, {"forget_modality": through}) for name in methods]
    blind = {one.where["attack"] for one in known if one.value < _SEES}
    shown = [
        one.model_copy(update={"where": {**one.where, "attack": f"{one.where['attack']} (blind)"}})
        if one.where["attack"] in blind
        else one
        for one in (*known, *of_methods)
    ]
    table = pivot(shown, {"attack": "attack"}, columns)
    return None if table is None else Table(table.heads, table.rows[:-1], right=table.right)  # nobody guesses here


def _column(method: str, where: dict[str, str]) -> Column:
    return Column(head=method, metrics=("residual",), where={"method": method, **where}, with_interval=True)


def _row(one: Measurement) -> Measurement:
    """Of the worst attack as if it were an attack's."""
    if one.metric == "residual":
        return one
    return one.model_copy(update={"metric": "residual", "where": {**one.where, "attack": WORST}})


def alone_table(record: Record) -> Table | None:
    """A row an attack, the one that tells most first: what it gets out alone of what all attacks together get out
    beyond the retain-only model, in percent; None if nothing of it was measured."""
    found = [one for one in record.measurements if one.metric == "told_alone" and one.where["attack"] != PLAIN]
    found.sort(key=lambda one: -one.value)
    rows = [(str(one.where["attack"]), in_percent(one)) for one in found]
    return Table(("attack", "told alone, % of what all tell"), tuple(rows), right=frozenset({1})) if rows else None


def most_told(record: Record) -> str:
    """Which attack alone tells most, in a sentence; empty if it was not measured."""
    table = alone_table(record)
    if table is None:
        return ""
    attack, share = table.rows[0]
    return f"The attack `{attack}` alone tells {share} % of what all of them tell."


def in_percent(one: Measurement) -> str:
    """E.g. ``"80 [70, 90]"``.

    Example:
        >>> in_percent(Measurement(metric="told_alone", value=0.8, ci=(0.7, 0.9), n=5, unit="ratio"))
        '80 [70, 90]'
    """
    ends = "" if one.ci is None else f" [{', '.join(f'{100 * end:.0f}' for end in one.ci)}]"
    return f"{100 * one.value:.0f}{ends}"


def fates(record: Record, methods: Mapping[str, str]) -> str:
    """The verdicts of `fate_table`, each once with its methods and the points of utility that each lost.

    Args:
        methods: Name of a method -> its name in sentences.
    """
    by_fate: dict[str, list[str]] = {}
    for row in fate_table(record, methods).rows:
        by_fate.setdefault(row[1], []).append(f"{row[0]} ({row[4]})")
    return "; ".join(f"{fate}: {joined(names)}" for fate, names in by_fate.items())


def fate_table(record: Record, methods: Mapping[str, str]) -> Table:
    """A row a method that forgets through both modalities: is what it was to forget gone, masked or still said, and at
    what cost? As the claims have it: gone if all attacks together get out next to nothing; else masked if they get out
    what is not said when one asks; else still said if what is said then is surely more than of the retain-only model;
    else open.

    Args:
        methods: Name of a method -> its name in sentences.
    """
    rows = []
    for name, said in methods.items():
        place: dict[str, Value] = {"method": name, "forget_modality": "both"}
        plain, every = (record.one("residual", **place, attack=attack) for attack in (PLAIN, ALL))
        if plain is None or every is None:
            continue
        kept = [one.value for one in record.find("matched_step", **place)]
        costs = (_cost(record, place), f"{kept.count(0.0)} of {len(kept)}")
        rows.append((said, _fate(record, said, plain), in_percent(plain), in_percent(every), *costs))
    heads = (
        "method",
        "verdict",
        "left when asked, %",
        "left under all attacks, %",
        "utility lost, points",
        _UNTOUCHED,
    )
    return Table(heads, tuple(rows), right=frozenset({2, 3, 4, 5}))


def _fate(record: Record, said: str, plain: Measurement) -> str:
    if _holds(record, f"After {said} all attacks together get out less than", above=False):
        return "gone"
    if _holds(record, f"After {said} attacks get out what the model does not say", above=True):
        return "masked"
    return "still said" if plain.ci is not None and plain.ci[0] > 0 else "open"


def _holds(record: Record, words: str, *, above: bool) -> bool:
    """Whether a claim is supported, or all of enough seeds have the same effect, beyond its threshold."""
    for one in record.verdicts:
        if one.sentence.startswith(words):
            alike = one.ci is None and one.effect is not None and one.n >= ENOUGH_SEEDS
            beyond = alike and ((one.effect or 0.0) > one.threshold) == above
            return one.verdict == "supported" or beyond
    return False


def _cost(record: Record, place: Mapping[str, Value]) -> str:
    """The mean over seeds of what is lost."""
    before, after = record.one("utility", method=_MEMORIZED), record.one("utility", **place)
    if before is None or after is None:
        return NOTHING
    lost = [before.by_seed[seed] - after.by_seed[seed] for seed in before.by_seed if seed in after.by_seed]
    return f"{100 * fmean(lost):.0f}" if lost else f"{100 * (before.value - after.value):.0f}"
