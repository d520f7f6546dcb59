# SPDX-License-Identifier: Apache-2.0
"""A comparison as a table, in Markdown and CSV. It computes nothing but means over seeds."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from statistics import fmean

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.compare_record import (
    EXPOSURE,
    OUTCOMES,
    PARTIAL,
    RECALL,
    ROUGE,
    CompareArm,
    CompareLine,
    CompareRecord,
)

_MEASURED = (
    ("forgotten: recall", RECALL, "forget"),
    ("forgotten: a word of it", PARTIAL, "forget"),
    ("forgotten: Exposure", EXPOSURE, "forget"),
    ("retained: recall", RECALL, "retain"),
    ("retained: ROUGE-L", ROUGE, "retain"),
)
_HOPS = {None: "", 1: ", one hop", 2: ", two hops"}


def markdown(record: CompareRecord) -> str:
    """The table with intervals, and a legend under it."""
    heads = ["method", "through", *_heads(record), "steps", "s", "CPU s", "MiB"]
    rows = [[*who(arm), *_cells(record, arm), *costs(arm)] for arm in record.arms]
    rows.append(["guessing", "–", *_guesses(record), *["–"] * 4])
    lines = [_row(heads), _row(["---"] * 2 + ["---:"] * (len(heads) - 2)), *map(_row, rows)]
    return "\n".join([*lines, "", *legend(record)]) + "\n"


def legend(record: CompareRecord) -> Iterator[str]:
    """What the columns mean, a line each."""
    seeds = f"{len(record.seeds)} seed{'s' if len(record.seeds) > 1 else ''}"
    yield (
        f"Percent, [95 % interval] clustered by person, {seeds} pooled; asked with new portraits (image) and new "
        f"descriptions (text). Guessing: recall {_chances(record, RECALL)} %, Exposure {_chances(record, EXPOSURE)} "
        "(0 to 100, higher = more memorized). A word of it: a first or last name, or any word of a fact, is said."
    )
    yield (
        "Exposure is the rank of the truth among all values on a log scale, to be read beside guessing, base and "
        "memorized. answers.jsonl has each rank and number of candidates. On which scale ReMem (arXiv "
        "2605.03759) reports it is not known."
    )
    yield (
        "What became of forgotten facts: forgotten / refused / collapsed / still known, in percent of answers. "
        "base: never taught; memorized: before unlearning; retrained: taught the retained people only."
    )
    yield (
        "steps, s (by the clock, beside other work), CPU s and MiB (peak): mean over seeds of the training alone; "
        "* a seed ran all its steps without reaching the floor."
    )
    yield from (f"Failed: {arm.arm} {arm.through or ''} {why}" for arm in record.arms for why in arm.failed)


def csv_text(record: CompareRecord) -> str:
    """Every line of the record, a row each."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(CompareLine)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in record.lines)
    return out.getvalue()


def _heads(record: CompareRecord) -> Iterator[str]:
    for hops in record.hops:
        for words, _, _ in _MEASURED:
            yield from (f"{words}, {modality}{_HOPS.get(hops, f', {hops} hops')}" for modality in MODALITIES)
    yield from (f"what became of them, {modality}" for modality in MODALITIES)


def _cells(record: CompareRecord, arm: CompareArm) -> Iterator[str]:
    for hops in record.hops:
        for _, metric, group in _MEASURED:
            yield from (_long(record.line(arm, metric, group, modality, hops)) for modality in MODALITIES)
    yield from (shares(record, arm, modality) for modality in MODALITIES)


def _guesses(record: CompareRecord) -> Iterator[str]:
    for hops in record.hops:
        for _, metric, group in _MEASURED:
            yield from (guess(record, metric, group, modality, hops) for modality in MODALITIES)
    yield from ("–" for _ in MODALITIES)


def _chances(record: CompareRecord, metric: str) -> str:
    """The chance level, or the lowest and the highest where kinds of questions differ."""
    found = sorted({_scaled(line, line.chance) for line in record.lines if line.metric == metric and line.chance})
    return " to ".join(dict.fromkeys(f"{value:.0f}" for value in (found[0], found[-1]))) if found else "–"


def guess(record: CompareRecord, metric: str, group: str, modality: str, hops: int | None = None) -> str:
    """What guessing would give in a column; a dash where the notion has no meaning."""
    where = (metric, group, modality, hops)
    for line in record.lines:
        if (line.metric, line.group, line.modality, line.hops) == where and line.chance is not None:
            return f"{_scaled(line, line.chance):.0f}"
    return "–"


def who(arm: CompareArm) -> tuple[str, str]:
    """Method and modality."""
    return arm.arm, arm.through or "–"


def costs(arm: CompareArm) -> list[str]:
    """Steps, seconds by the clock and of the processor, and MiB of the training, means over seeds."""
    if not any(arm.steps):
        return ["failed" if arm.failed else "–", "–", "–", "–"]
    star = "*" if False in arm.reached_floor else ""
    return [f"{fmean(arm.steps):.0f}{star}", *(f"{fmean(one):.0f}" for one in (arm.wall_s, arm.cpu_s, arm.peak_mib))]


def shares(record: CompareRecord, arm: CompareArm, modality: str) -> str:
    """What became of forgotten facts: percent of each of OUTCOMES."""
    found = [record.line(arm, outcome, "forget", modality) for outcome in OUTCOMES]
    return " / ".join(short(line) for line in found)


def _long(line: CompareLine | None) -> str:
    if line is None:
        return "–"
    low, high = (_scaled(line, end) for end in (line.ci_low, line.ci_high))
    return f"{short(line)} [{low:.0f}, {high:.0f}]"


def short(line: CompareLine | None) -> str:
    """The number without its interval."""
    return "–" if line is None else f"{_scaled(line, line.value):.0f}"


def _scaled(line: CompareLine, value: float) -> float:
    return value if line.unit == "0-100" else 100 * value


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
