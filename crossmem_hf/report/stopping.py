# SPDX-License-Identifier: Apache-2.0
"""When unlearning stopped, a row a persona seed and a column a modality. It does not know the rule that stopped it."""

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.report.numbers import significant
from crossmem_hf.report.record import Record
from crossmem_hf.report.tables import NOTHING, Table


def stopping_table(record: Record) -> Table | None:
    """Steps of unlearning through each modality (``steps``), starred where they ran out before the rule was met
    (``reached_floor``); None if the record has none of a stage."""
    rows = [(str(seed), *(_cell(record, source, seed) for source in MODALITIES)) for seed in record.seeds]
    filled = tuple(row for row in rows if {*row[1:]} != {NOTHING})
    heads = ("persona seed", *(MODALITY_NAMES[source] for source in MODALITIES))
    return Table(heads, filled, right=frozenset({1, 2})) if filled else None


def _cell(record: Record, source: str, seed: int) -> str:
    where = {"stage": "unlearned", "source": source, "seed": seed}
    steps, reached = (record.one(metric, **where) for metric in ("steps", "reached_floor"))
    if steps is None:
        return NOTHING
    return significant(steps.value) + "*" * (reached is not None and reached.value < 1)
