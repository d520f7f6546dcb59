# SPDX-License-Identifier: Apache-2.0
"""The page of a record: one HTML file that needs nothing else. It shows what the record says and measures nothing."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report import modality_text, numbers, text
from crossmem_hf.report.fact_tables import fact_tables
from crossmem_hf.report.figures import CLAIMS, FOREST, Drawn, figures_of, write_figures
from crossmem_hf.report.listing import listed
from crossmem_hf.report.methods import method_legend, method_tables
from crossmem_hf.report.modality_figures import recall_color, recall_ink
from crossmem_hf.report.record import NEAREST, CastMember, Example, Measurement, Record
from crossmem_hf.report.tables import place_words, verdict_table
from crossmem_hf.storage import write_atomic

PAGE_FILE: Final = "report.html"
FIGURES_FOLDER: Final = "figures"

_BRIEF: Final = 60  # numbers that are shown unfolded
_MAX_TOLD: Final = 6  # claims; of more only the table is shown
_PNG: Final = b"\x89PNG\r\n\x1a\n"
Portraits = Mapping[str, Sequence[bytes]]


def write_page(
    record: Record,
    folder: str | os.PathLike[str],
    *,
    portraits: Portraits | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> Path:
    """The path of `report.html`, once it and the figures (PNG and PDF) are written; each file whole or not at all.

    A figure of an earlier run that this record has no numbers for is removed.

    Args:
        portraits: Persona id -> PNG files of that person, the first one for the cast. People without any are counted.
        descriptions: Persona id -> one description in words.

    Raises:
        CrossmemError: A portrait is not a PNG, or a file could not be written.
    """
    html = page_html(record, portraits=portraits, descriptions=descriptions)
    write_figures(record, Path(folder) / FIGURES_FOLDER)
    return write_atomic(Path(folder) / PAGE_FILE, html)


def page_html(
    record: Record, *, portraits: Portraits | None = None, descriptions: Mapping[str, str] | None = None
) -> str:
    """The page as a string; equal arguments give equal text. See `write_page`."""
    environment = Environment(
        loader=PackageLoader("crossmem_hf.report"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(amount=numbers.amount, interval=numbers.interval, percent=numbers.percent)
    uris = {persona: [_png_uri(persona, png) for png in pictures] for persona, pictures in (portraits or {}).items()}
    context = {
        **_words(),
        **_findings(record),
        **_crossing(record),
        **_personas(record, uris, descriptions or {}),
        "record": record,
        "script_digest": _script_digest(environment),
    }
    return environment.get_template("report.html.j2").render(context)


def _script_digest(environment: Environment) -> str:
    """By which the page's policy tells its only script from any other."""
    script = environment.get_template("filter.js").render()
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _words() -> dict[str, Any]:
    return {
        "modality_names": modality_text.MODALITY_NAMES,
        "modalities": MODALITIES,
        "stage_words": modality_text.STAGE_WORDS,
        "trace_words": modality_text.TRACE_WORDS,
    }


def _findings(record: Record) -> dict[str, Any]:
    """What any record has: claims, figures, tables, settings."""
    drawn = list(figures_of(record))
    uris = {figure.name: _figure_uris(figure) for figure in drawn}
    return {
        "headline": text.headline(record),
        "summary": text.summary(record, most_claims=_MAX_TOLD),
        "facts": text.facts(record),
        "claims": [
            {
                "question": question,
                "differs": list(dict.fromkeys(one.differs for one in claims if one.differs)),
                "figure": uris.get(f"{CLAIMS}{number}"),
                "table": verdict_table(claims),
            }
            for number, (question, claims) in enumerate(text.questions(record).items(), start=1)
        ],
        "methods": method_tables(record),
        "fact_tables": list(fact_tables(record)),
        "legend": list(method_legend(record)),
        "figures": {
            name: uris.get(name) for name in ("gap", "exposure", "forgetting", "methods", "curves", "residual")
        },
        "forests": [(name.removeprefix(FOREST), found) for name, found in uris.items() if name.startswith(FOREST)],
        "failures": [place_words(failure) for failure in record.failures],
        "listed": listed(record),
        "is_brief": len(record.measurements) <= _BRIEF,
        "config": text.settings(record),
        "is_micro": _is_micro(record.config.get("model_name_or_path", "")),
    }


def _is_micro(model: Any) -> bool:
    """Whether a study's model is one of those that ship; a record without that setting says nothing."""
    return model is None or str(model).startswith("micro-")


def _crossing(record: Record) -> dict[str, Any]:
    """What is said of one modality beside the other, where a record has measured it."""
    unlearning = [
        {
            "source": source,
            "modalities": modalities,
            "residue": modality_text.residue(record, source),
            "cost": modality_text.retained_cost(record, source),
        }
        for source in MODALITIES
        if (modalities := modality_text.modalities_after(record, source))
    ]
    matrix = _matrix(record)
    cells = [cell["m"] for row in matrix for cell in row["cells"] if cell["m"] is not None]
    return {
        "is_unmemorized": _has_stages(record) and not modality_text.is_interpretable(record),
        "memorization_failures": modality_text.memorization_failures(record),
        "min_recall": record.config.get("min_recall"),
        "is_overridden": record.config.get("allow_unmemorized") is True,
        "matrix": matrix,
        "chance": next((m.chance for m in cells if m.chance is not None), None),
        "base": _base(record, "recall"),
        "nearest": [m for one in MODALITIES if (m := record.one("recall", stage=NEAREST, source=one, target=one))],
        "exposure_base": _base(record, "exposure"),
        "gaps": [
            {
                "m": gap,
                "source": source,
                "claim": modality_text.gap_claim(gap),
                "seeds": modality_text.seeds_that_agree(record, source),
            }
            for source, gap in modality_text.pooled_gaps(record).items()
        ],
        "per_seed": len([one for one in record.cast if one.seed == record.seeds[0]]) if record.seeds else 0,
        "unlearning": unlearning,
    }


def _has_stages(record: Record) -> bool:
    """Whether unlearning follows memorizing in this record, so that the one must be judged by the other."""
    return "min_recall" in record.config and any("stage" in m.where for m in record.measurements)


def _matrix(record: Record) -> list[dict[str, Any]]:
    rows = []
    for source in MODALITIES:
        cells = [record.one("recall", stage="memorized", source=source, target=target) for target in MODALITIES]
        if any(cells):
            rows.append({"source": source, "cells": [_cell(m) for m in cells]})
    return rows


def _cell(m: Measurement | None) -> dict[str, Any]:
    if m is None:
        return {"m": None}
    red, green, blue = (round(255 * part) for part in recall_color(m.value))
    return {"m": m, "color": f"rgb({red} {green} {blue})", "ink": recall_ink(m.value)}


def _base(record: Record, metric: str) -> list[Measurement]:
    """A metric before learning, one number a modality asked in."""
    found = [
        next(
            filter(None, (record.one(metric, stage="base", source=source, target=target) for source in MODALITIES)),
            None,
        )
        for target in MODALITIES
    ]
    return [m for m in found if m is not None]


def _personas(record: Record, uris: Mapping[str, Sequence[str]], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """The cast with portraits, the person shown first, and the examples grouped by person."""
    cast = [_person(member, uris, descriptions) for member in record.cast if uris.get(member.persona_id)]
    whole = [person for person in cast if person["description"]]
    return {
        "cast": [("forget", [p for p in cast if p["forgotten"]]), ("retain", [p for p in cast if not p["forgotten"]])],
        "shown": len(cast),
        "unshown": len(record.cast) - len(cast),
        "featured": next(iter(whole or cast), None),
        "question": next((e.question for e in record.examples if e.where.get("target") == "image"), "Who is this?"),
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
    personas: dict[str, list[Example]] = {}
    for example in examples:
        personas.setdefault(example.persona_id, []).append(example)
    return [
        {
            "full_name": found[0].full_name,
            "forgotten": found[0].forgotten,
            "portrait": next(iter(uris.get(persona, ())), None),
            "parts": [
                {"source": source, "rows": rows} for source in MODALITIES if (rows := _example_rows(found, source))
            ],
        }
        for persona, found in personas.items()
    ]


def _example_rows(examples: Sequence[Example], source: str) -> list[dict[str, Any]]:
    """Answers by stage and modality asked in; before learning they belong to every source."""
    rows = []
    for stage in modality_text.STAGES:
        here = [
            e
            for e in examples
            if e.where.get("stage") == stage and (stage == "base" or e.where.get("source") == source)
        ]
        if here:
            answers = [_distinct([e for e in here if e.where.get("target") == target]) for target in MODALITIES]
            rows.append({"stage": stage, "answers": answers})
    return rows


def _distinct(examples: Sequence[Example]) -> list[Example]:
    """The first example of each question."""
    return list({example.question: example for example in reversed(examples)}.values())[::-1]


def _figure_uris(figure: Drawn) -> dict[str, str]:
    wide, narrow = (figure.encoded("svg", narrow=narrow) for narrow in (False, True))
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
