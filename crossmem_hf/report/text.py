# SPDX-License-Identifier: Apache-2.0
"""A record in words: its headline, what it found, and all of it in Markdown. It knows nothing of layout or color, and
no study by name."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from crossmem_hf.report import modality_text
from crossmem_hf.report.fact_tables import fact_summary
from crossmem_hf.report.methods import is_tabulated, method_legend, method_table
from crossmem_hf.report.numbers import joined, significant
from crossmem_hf.report.record import BASELINES, Record, Verdict
from crossmem_hf.report.tables import Table, grouped_tables, place_words, verdict_table

_BASELINES = dict(zip(BASELINES, ("base", "memorized", "retain-only"), strict=True))
_VERDICTS = ("supported", "contradicted", "inconclusive")


def headline(record: Record) -> str:
    """The one sentence that a reader should take away: on what crosses between modalities, on its claims, or on how
    much was measured."""
    crossing = modality_text.headline(record)
    if crossing:
        return crossing
    if record.verdicts:
        return _counted(record.verdicts)
    metrics = list(dict.fromkeys(m.metric for m in record.measurements))
    over = f" over {_count(len(record.seeds), 'persona seed')}" if record.seeds else ""
    named = dict.fromkeys(m.where["method"] for m in record.measurements if "method" in m.where)
    methods, baselines = [m for m in named if m not in BASELINES], [_BASELINES[b] for b in BASELINES if b in named]
    if methods:
        beside = f" beside the {joined(baselines)} model" if baselines else ""
        return f"{_count(len(methods), 'unlearning method')}{beside}{over}."
    return f"{_count(len(record.measurements), 'measurement')} of {_count(len(metrics), 'metric')}{over}."


def summary(record: Record, most_claims: int | None = None) -> list[str]:
    """What was found, a sentence each, most important first.

    Args:
        most_claims: Of more claims none is told; None tells all. Of claims that help to answer questions, the first of
            each question is told in any case.
    """
    told = most_claims is None or len(record.verdicts) <= most_claims
    claims = [verdict_words(v) for v in record.verdicts] if told else []
    if any(v.question for v in record.verdicts):
        claims = [f"{asked} {_counted(own)} {verdict_words(own[0])}" for asked, own in questions(record).items()]
    crossing = [*modality_text.summary(record), *filter(None, [modality_text.residue_claim(record)])]
    return [*claims, *crossing, *fact_summary(record)]


def _counted(verdicts: Sequence[Verdict]) -> str:
    found = [v.verdict for v in verdicts]
    counts = [f"{found.count(name)} {name}" for name in _VERDICTS if name in found]
    return f"Of {_count(len(found), 'claim')}: {joined(counts)}."


def verdict_words(v: Verdict) -> str:
    """A claim and what was found about it, in a sentence."""
    if v.effect is None:
        found = "was not measured"
    else:
        ends = "" if v.ci is None else f" [{significant(v.ci[0])}, {significant(v.ci[1])}]"
        found = f"is {significant(v.effect)}{ends} against {significant(v.threshold)} ({v.unit})"
    reason = f" {v.reason}" if v.reason else ""
    sentence = v.sentence.rstrip(".")
    return f"{v.verdict.capitalize()}: {sentence} ({v.paper}). The effect {found} over {_count(v.n, 'seed')}.{reason}"


def questions(record: Record) -> dict[str, list[Verdict]]:
    """Question -> the claims that help to answer it, in the order in which they were made."""
    found: dict[str, list[Verdict]] = {}
    for one in record.verdicts:
        found.setdefault(one.question, []).append(one)
    return found


def facts(record: Record) -> list[tuple[str, str]]:
    """How many personas, which seeds, made from what: (name, value)."""
    first = [member for member in record.cast if record.seeds and member.seed == record.seeds[0]]
    forgotten = sum(member.forgotten for member in first)
    personas = [("Personas per seed", str(len(first))), ("In the forget set", str(forgotten))] if first else []
    seeds = [("Persona seeds", ", ".join(map(str, record.seeds)))] if record.seeds else []
    return [*personas, *seeds, *((f"{name.capitalize()} fingerprint", f) for name, f in record.fingerprints.items())]


def settings(record: Record) -> list[tuple[str, str]]:
    """Each setting and its value as text, by name; those of a mapping one by one, e.g. ``"unlearning.npo"``."""
    flat: dict[str, Any] = {}
    for key, value in record.config.items():
        flat |= {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
    return [(key, value if isinstance(value, str) else _plain(value)) for key, value in sorted(flat.items())]


def further_tables(record: Record) -> Iterator[tuple[str, Table]]:
    """Tables of what `method_table` does not show, one for each set of keys."""
    has_methods = method_table(record) is not None
    rest = [m for m in record.measurements if not (has_methods and is_tabulated(m.metric))]
    yield from grouped_tables(rest)


def markdown(record: Record) -> str:
    """The whole record for a reader: findings, claims, tables, notes, settings."""
    return "\n\n".join(part.rstrip("\n") for part in _parts(record)) + "\n"


def _parts(record: Record) -> Iterator[str]:
    yield f"# {record.study}"
    yield f"**{headline(record)}**"
    yield from _listed(summary(record))
    if record.verdicts:
        yield "## Claims"
    for number, (question, claims) in enumerate(questions(record).items(), start=1):
        if question:
            yield f"### {question}"
            if any(one.effect is not None for one in claims):
                yield f"![The effect of each claim](figures/claims_{number}.png)"
            yield from dict.fromkeys(one.differs for one in claims if one.differs)
        yield verdict_table(claims).markdown()
    methods = method_table(record)
    if methods is not None:
        yield "## Methods"
        yield methods.markdown()
        yield "\n".join(method_legend(record))
    for title, table in further_tables(record):
        yield f"## Measurements {title}"
        yield table.markdown()
    if methods is None and record.failures:
        yield "## Failures"
        yield from _listed([_without_marks(place_words(failure)) for failure in record.failures])
    if record.notes:
        yield "## Notes"
        yield from _listed([_without_marks(note) for note in record.notes])
    yield "## The run"
    rows = [*facts(record), *settings(record), *record.versions.items()]
    yield Table(("what", "value"), tuple(rows)).markdown()


def _listed(sentences: Any) -> Iterator[str]:
    if sentences:
        yield "\n".join(f"- {sentence}" for sentence in sentences)


def _without_marks(sentence: str) -> str:
    """Somebody's sentence on one line, in which no tag and no link means anything."""
    return " ".join(sentence.split()).replace("<", "&lt;").replace("[", "\\[")


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
