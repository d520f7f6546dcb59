# SPDX-License-Identifier: Apache-2.0
"""A record's page, Markdown and figures, with portraits of its cast. All of it follows from the record."""

from io import BytesIO
from pathlib import Path

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from crossmem_hf.report.page import write_page
from crossmem_hf.report.record import Record
from crossmem_hf.report.text import markdown
from crossmem_hf.storage import write_atomic

_PORTRAIT_PIXELS = 192
_NUM_LISTED = 50


def write_pages(record: Record, folder: Path) -> Path:
    """The page, once it, its figures and ``report.md`` are written.

    Raises:
        CrossmemError: A file could not be written.
    """
    shown = _shown(record)
    write_atomic(folder / "report.md", markdown(record))
    return write_page(
        record,
        folder,
        portraits={persona.id: _portraits(persona) for persona in shown},
        descriptions={persona.id: describe(persona, "test", 0).text for persona in shown},
    )


def _shown(record: Record) -> list[Persona]:
    """The first personas of the cast, made again from its seeds."""
    wanted = {member.persona_id for member in record.cast[:_NUM_LISTED]}
    seeds = dict.fromkeys(member.seed for member in record.cast[:_NUM_LISTED])
    sizes = {seed: sum(member.seed == seed for member in record.cast) for seed in seeds}
    return [persona for seed in seeds for persona in sample_personas(sizes[seed], seed) if persona.id in wanted]


def _portraits(persona: Persona) -> list[bytes]:
    """PNG files: a held-out view for the cast, then training views."""
    pictures = []
    for split, index in (("test", persona.index % 3), ("train", 0), ("train", 1), ("test", 1)):
        buffer = BytesIO()
        view = view_for(persona, split, index)  # type: ignore[arg-type]
        render_portrait(persona, view, _PORTRAIT_PIXELS).quantize(96).save(buffer, format="PNG", optimize=True)
        pictures.append(buffer.getvalue())
        if persona.index:  # one persona is shown from several sides, the others once
            break
    return pictures
