# SPDX-License-Identifier: Apache-2.0
"""A block of people as Parquet files: which rows go to which file, and how a file is written.

A block is a range of person numbers. Every split of every config gets one file (shard) a block, so that a portrait is
drawn once for all rows that show it, blocks can be written by any process in any order, and a block that is finished
stays finished. How people fall into blocks depends on the spec alone.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.rows import Row
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import VIEW_SPLITS, Persona

if TYPE_CHECKING:
    import datasets

Place = tuple[str, str]
"""A config and one of its splits."""

_BLOCK_PORTRAITS = 8_000
_BLOCK_QUESTIONS = 40_000
_GROUP_PORTRAITS = 128  # well below what rows.py keeps drawn
_ROW_GROUP_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Who goes where.

    Attributes:
        personas: Place -> its people in the order of their rows.
        block_size: Person numbers a block.
        group_size: People whose rows are made together.
    """

    personas: dict[Place, Sequence[Persona]]
    block_size: int
    group_size: int

    @property
    def num_personas(self) -> int:
        """One more than the highest person number."""
        return 1 + max(person.index for personas in self.personas.values() for person in personas)

    @property
    def share_images(self) -> bool:
        """Whether a portrait is stored once for several rows: not in a dataset of one block, see `ShardWriter`."""
        return self.num_blocks > 1

    @property
    def num_blocks(self) -> int:
        """How many blocks the people fall into."""
        return -(-self.num_personas // self.block_size)

    def shard_name(self, place: Place, block: int) -> str | None:
        """The path of a block's file within the dataset, as `push_to_hub` names shards; None if it has no rows."""
        if is_about_all(place[0]):
            blocks = [0]
        else:
            blocks = sorted({person.index // self.block_size for person in self.personas[place]})
        if block not in blocks:
            return None
        return f"{place[0]}/{place[1]}-{blocks.index(block):05d}-of-{len(blocks):05d}.parquet"

    def groups(self, block: int) -> Iterator[range]:
        """The person numbers of a block, a few at a time."""
        stop = min((block + 1) * self.block_size, self.num_personas)
        for start in range(block * self.block_size, stop, self.group_size):
            yield range(start, min(start + self.group_size, stop))


def places() -> list[Place]:
    """Every split of every config, in the order of `spec.SPLITS`."""
    return [(config, split) for config, splits in SPLITS.items() for split in splits]


def is_about_all(config: str) -> bool:
    """Whether a config's rows are about all people together, and so cannot be made a few people at a time."""
    return "persona_id" not in features_of(config)


@lru_cache(maxsize=1)
def plan_of(spec: DatasetSpec, personas_per_shard: int | None = None) -> Plan:
    """How a spec's people fall into blocks.

    Args:
        personas_per_shard: Person numbers a block; None for as many as make some thousand portraits or questions.

    Raises:
        CrossmemError: The spec leaves a forget or a retain set empty, or a block would hold nobody.
    """
    if personas_per_shard is not None and personas_per_shard < 1:
        raise CrossmemError(
            f"personas_per_shard={personas_per_shard!r}; expected at least 1.", "Pass a larger number."
        )
    views = spec.num_views + (len(VIEW_SPLITS) - 1) * NUM_HELD_OUT_VIEWS
    usual = max(1, min(_BLOCK_PORTRAITS // views, _BLOCK_QUESTIONS // (2 * spec.qa_per_persona)))
    return Plan(
        personas={place: personas_of(*place, spec) for place in places()},
        block_size=personas_per_shard or usual,
        group_size=max(1, _GROUP_PORTRAITS // views),
    )


def rows_of_group(place: Place, numbers: range, plan: Plan, spec: DatasetSpec) -> Iterator[Row]:
    """The rows of one place about people with these numbers; rows about everyone belong to person 0."""
    personas = plan.personas[place]
    if is_about_all(place[0]):
        personas = personas if numbers.start == 0 else []
    else:
        personas = personas[_position(personas, numbers.start) : _position(personas, numbers.stop)]
    return rows_of(*place, personas, spec) if personas else iter(())


def _position(personas: Sequence[Persona], number: int) -> int:
    """How many people come before that number."""
    return bisect_left(personas, number, key=lambda person: person.index)


class ShardWriter:
    """Appends rows to one Parquet file, a row group at a time.

    A row group ends with the row that brings it to 8 MB. A shard that is a whole split and one row group has the bytes
    that `datasets.Dataset.push_to_hub` uploads.

    Args:
        path: The file; it must be given its final name by the caller, once it is closed.
        share_images: Store a picture that several rows of a row group show once; `push_to_hub` stores it every time.

    Attributes:
        num_rows: Rows so far.
        num_bytes: Their size as Arrow tables.
    """

    def __init__(self, path: Path, features: "datasets.Features", *, share_images: bool) -> None:
        from pyarrow import parquet

        self.num_rows = 0
        self.num_bytes = 0
        self._schema = features.arrow_schema
        self._rows: list[Row] = []
        self._weight = 0
        self._writer = parquet.ParquetWriter(
            path, schema=self._schema, write_page_index=True, **_options(features, share_images=share_images)
        )

    def add(self, row: Row) -> None:
        """Append one row."""
        self._rows.append(row)
        self._weight += _weight(row)
        if self._weight >= _ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left and the footer."""
        from datasets import config

        if self._rows:
            self._flush()
        self._writer.add_key_value_metadata({"content_defined_chunking": json.dumps(config.DEFAULT_CDC_OPTIONS)})
        self._writer.close()

    def abandon(self) -> None:
        """Close the file as it is; it is of no use to anyone."""
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow

        table = pyarrow.Table.from_pylist(self._rows, schema=self._schema)
        self._writer.write_table(table)
        self.num_rows += len(table)
        self.num_bytes += table.nbytes
        self._rows, self._weight = [], 0


def _options(features: "datasets.Features", *, share_images: bool) -> dict[str, Any]:
    """What `datasets.Dataset.to_parquet` passes to the Parquet writer."""
    from datasets import config
    from datasets.arrow_writer import get_parquet_column_options

    options: dict[str, Any] = get_parquet_column_options(features, features.arrow_schema)
    options["use_content_defined_chunking"] = config.DEFAULT_CDC_OPTIONS
    if share_images:
        plain: dict[str, str] = options.pop("column_encoding")
        options["use_dictionary"] = [*options["use_dictionary"], *plain]
        options["dictionary_pagesize_limit"] = 2 * _ROW_GROUP_BYTES
    return options


def _weight(row: Row) -> int:
    """Roughly the bytes of a row."""
    pictures = row.get("images") or ([row["portrait"]] if "portrait" in row else [])
    return 500 + sum(len(picture["bytes"]) for picture in pictures)
