# SPDX-License-Identifier: Apache-2.0
"""The page of a run: one HTML file that needs nothing else. It shows what the record says and measures nothing."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report import text
from crossmem_hf.report.figures import FIGURES, figure_png, figure_svg, recall_color, recall_ink
from crossmem_hf.report.run_record import EXPOSURE, RECALL, STAGES, CastMember, Example, Measurement, RunRecord
from crossmem_hf.storage import write_atomic

_PNG: Final = b"\x89PNG\r\n\x1a\n"


def write_report(
    record: RunRecord,
    directory: str | os.PathLike[str],
    portraits: Mapping[str, Sequence[bytes]],
    descriptions: Mapping[str, str],
) -> Path:
    """The path of `report.html`, once it and `figures/*.png` are written; each file whole or not at all.

    A figure of an earlier run that this record has no numbers for is removed.

    Args:
        portraits: Persona id -> PNG files of that person, the first one for the cast. People without any are counted.
        descriptions: Persona id -> one description in words.

    Raises:
        CrossmemError: A portrait is not a PNG, or a file could not be written.
    """
    folder = Path(directory)
    html = report_html(record, portraits, descriptions)
    for name in FIGURES:
        png = figure_png(record, name)
        target = folder / "figures" / f"{name}.png"
        if png is None:
            target.unlink(missing_ok=True)
        else:
            write_atomic(target, png)
    return write_atomic(folder / "report.html", html)


def report_html(record: RunRecord, portraits: Mapping[str, Sequence[bytes]], descriptions: Mapping[str, str]) -> str:
    """The page as a string; equal arguments give equal text. See `write_report`."""
    environment = Environment(
        loader=PackageLoader("crossmem_hf.report"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(amount=text.amount, interval=text.interval, percent=text.percent)
    uris = {persona: [_png_uri(persona, png) for png in pictures] for persona, pictures in portraits.items()}
    context = {**_words(), **_findings(record), **_people(record, uris, descriptions), "record": record}
    return environment.get_template("report.html.j2").render(context)


def _words() -> dict[str, Any]:
    return {
        "modality_names": text.MODALITY_NAMES,
        "modalities": MODALITIES,
        "stage_words": text.STAGE_WORDS,
        "trace_words": text.TRACE_WORDS,
    }


def _findings(record: RunRecord) -> dict[str, Any]:
    """All that the page says about measurements."""
    unlearning = [
        {
            "source": source,
            "modalities": modalities,
            "residue": text.residue(record, source),
            "cost": text.retained_cost(record, source),
        }
        for source in MODALITIES
        if (modalities := text.modalities_after(record, source))
    ]
    recall = record.find(metric=RECALL)
    return {
        "headline": text.headline(record),
        "summary": [*text.summary(record), *filter(None, [text.residue_claim(record)])],
        "facts": _facts(record),
        "gate_failures": record.gate_failures(),
        "interpretable": record.is_interpretable,
        "matrix": _matrix(record),
        "chance": next((m.chance for m in recall if m.chance is not None), None),
        "base": _base(record, RECALL),
        "exposure_base": _base(record, EXPOSURE),
        "gaps": [
            {"m": gap, "claim": text.gap_claim(gap), "seeds": text.seeds_that_agree(record, source)}
            for source, gap in text.pooled_gaps(record).items()
        ],
        "unlearning": unlearning,
        "figures": {name: _figure_uris(record, name) for name in ("gap", "exposure", "forgetting")},
        "is_micro": record.config.get("model_name_or_path") is None,
        "measurements": sorted(record.measurements, key=lambda m: (m.seed is not None, m.seed or 0)),
        "config": [(key, _plain(value)) for key, value in record.config.items()],
    }


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    first = [member for member in record.cast if member.seed == record.seeds[0]]
    people, forgotten = len(first), sum(member.forgotten for member in first)
    shown = [("People per seed", str(people)), ("To be forgotten", str(forgotten))] if people else []
    return [
        *shown,
        ("Persona seeds", ", ".join(map(str, record.seeds))),
        ("Data fingerprint", record.data_fingerprint),
    ]


def _matrix(record: RunRecord) -> list[dict[str, Any]]:
    rows = []
    for source in MODALITIES:
        cells = [record.cell(RECALL, "memorized", source, target) for target in MODALITIES]
        if any(cells):
            rows.append({"source": source, "cells": [_cell(m) for m in cells]})
    return rows


def _cell(m: Measurement | None) -> dict[str, Any]:
    if m is None:
        return {"m": None}
    red, green, blue = (round(255 * part) for part in recall_color(m.value))
    return {"m": m, "color": f"rgb({red} {green} {blue})", "ink": recall_ink(m.value)}


def _base(record: RunRecord, metric: str) -> list[Measurement]:
    """A metric before learning, one number a modality asked in."""
    found = [
        next(filter(None, (record.cell(metric, "base", source, target) for source in MODALITIES)), None)
        for target in MODALITIES
    ]
    return [m for m in found if m is not None]


def _people(record: RunRecord, uris: Mapping[str, Sequence[str]], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """The cast with portraits, the person shown first, and the examples grouped by person."""
    cast = [_person(member, uris, descriptions) for member in record.cast if uris.get(member.persona_id)]
    whole = [person for person in cast if person["description"]]
    return {
        "cast": [("forget", [p for p in cast if p["forgotten"]]), ("retain", [p for p in cast if not p["forgotten"]])],
        "shown": len(cast),
        "unshown": len(record.cast) - len(cast),
        "featured": next(iter(whole or cast), None),
        "question": next((e.question for e in record.examples if e.target == "image"), "Who is this?"),
        "examples": _examples(record.examples, uris),
    }


def _person(member: CastMember, uris: Mapping[str, Sequence[str]], descriptions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "full_name": member.full_name,
        "forgotten": member.forgotten,
        "portraits": uris[member.persona_id],
        "description": descriptions.get(member.persona_id, ""),
    }


def _examples(examples: Sequence[Example], uris: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    people: dict[str, list[Example]] = {}
    for example in examples:
        people.setdefault(example.persona_id, []).append(example)
    return [
        {
            "full_name": found[0].full_name,
            "forgotten": found[0].forgotten,
            "portrait": next(iter(uris.get(persona, ())), None),
            "parts": [
                {"source": source, "rows": rows} for source in MODALITIES if (rows := _example_rows(found, source))
            ],
        }
        for persona, found in people.items()
    ]


def _example_rows(examples: Sequence[Example], source: str) -> list[dict[str, Any]]:
    """Answers by stage and modality asked in; before learning they belong to every source."""
    rows = []
    for stage in STAGES:
        here = [e for e in examples if e.stage == stage and (stage == "base" or e.source == source)]
        if here:
            answers = [_distinct([e for e in here if e.target == target]) for target in MODALITIES]
            rows.append({"stage": stage, "answers": answers})
    return rows


def _distinct(examples: Sequence[Example]) -> list[Example]:
    """The first example of each question."""
    return list({example.question: example for example in reversed(examples)}.values())[::-1]


def _figure_uris(record: RunRecord, name: str) -> dict[str, str] | None:
    wide, narrow = (figure_svg(record, name, narrow=narrow) for narrow in (False, True))
    if wide is None or narrow is None:
        return None
    return {"wide": _uri("image/svg+xml", wide), "narrow": _uri("image/svg+xml", narrow)}


def _png_uri(persona: str, png: bytes) -> str:
    if not png.startswith(_PNG):
        raise CrossmemError(
            f"The portrait of {persona!r} starts with {bytes(png[:8])!r}; expected a PNG file.",
            "Save the portrait with format='PNG'.",
        )
    return _uri("image/png", png)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
