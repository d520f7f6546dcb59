# SPDX-License-Identifier: Apache-2.0
"""A reproduction for readers: tables for a terminal and in Markdown, and what it amounts to. It computes nothing."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from crossmem_hf.report.reproduction import OUTCOMES, Repeated, Reproduction

MOST_LINES = 40  # on a terminal; the Markdown has all
MOST_EQUAL = 10
WORDS = {
    "equal": "equal",
    "inside": "inside",
    "outside": "OUTSIDE",
    "other_n": "OTHER N",
    "missing": "MISSING",
}
_HEADS = ("metric", "of", "then", "95 % interval", "n", "now", "difference", "")


def terminal(found: Reproduction) -> Table:
    """What differs most first, at most MOST_LINES lines, of which at most MOST_EQUAL do not differ."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    for name in _HEADS:
        right = name in ("then", "n", "now", "difference")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "of")
    different = [line for line in found.lines if line.outcome != "equal"]
    equal = [line for line in found.lines if line.outcome == "equal"]
    for line in [*_worst_first(different), *equal[:MOST_EQUAL]][:MOST_LINES]:
        style = {"equal": "dim", "inside": None}.get(line.outcome, "bold red")
        table.add_row(*map(Text, _cells(line)), style=style)  # as it is: a record may come from anywhere
    return table


def sentences(found: Reproduction) -> Iterator[str]:
    """How it went, what was otherwise, and what its reader must know."""
    counts = ", ".join(f"{number} {WORDS[name]}" for name, number in found.counts.items() if number)
    yield f"{len(found.lines)} measurements of {found.source} ({found.kind}, {found.part}): {counts}."
    for name, then in found.fingerprints_then.items():
        now = found.fingerprints_now.get(name, "unknown")
        if then == now:
            yield f"The {name} fingerprint is equal: {then}."
        else:
            what = {
                "data": "other rows, or rows made by other code, which may be the same",
                "model": "another model, or other files in the folder of its adapter",
            }
            yield f"The {name} fingerprint is {now}, not {then}: {what.get(name, 'something else')}."
    other = found.other_versions
    if other:
        pairs = ", ".join(f"{name} {then or 'unknown'} -> {now or 'unknown'}" for name, (then, now) in other.items())
        yield f"Other versions: {pairs}."
    else:
        yield "All versions are equal."
    for name, (before, after) in found.settings_changed.items():
        yield f"The setting {name} was {before!r} and is {after!r}."
    yield from found.notes


def markdown(found: Reproduction) -> str:
    """Everything: the sentences, and all lines in the record's order."""
    heads = [*_HEADS[:-1], "outcome"]
    rows = [heads, ["---"] * len(heads), *([*_cells(line)] for line in found.lines)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    said = "\n".join(f"- {sentence}" for sentence in sentences(found))
    return f"# Reproduction of {found.source}\n\n{said}\n\n{table}\n"


def _worst_first(lines: Sequence[Repeated]) -> list[Repeated]:
    order = {name: place for place, name in enumerate(reversed(OUTCOMES))}
    return sorted(lines, key=lambda line: (order[line.outcome], -_size(line)))


def _size(line: Repeated) -> float:
    """The difference in widths of the interval."""
    width = (line.ci_high or 0.0) - (line.ci_low or 0.0)
    return abs(line.difference or 0.0) / (width or 1.0)


def _cells(line: Repeated) -> tuple[str, ...]:
    interval = "" if line.ci_low is None or line.ci_high is None else f"{line.ci_low:.4g} to {line.ci_high:.4g}"
    now = "" if line.now is None else f"{line.now:.4g}"
    n = str(line.n) if line.n_now in (None, line.n) else f"{line.n}, now {line.n_now}"
    change = "" if line.difference is None else f"{0.0 if line.outcome == 'equal' else line.difference:+.3g}"
    return line.metric, line.where, f"{line.then:.4g}", interval, n, now, change, WORDS[line.outcome]
