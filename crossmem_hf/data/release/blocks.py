# SPDX-License-Identifier: Apache-2.0
"""One finished block: its files, and the line that says so. It does not know who asks for blocks, or in which order.

The results log gets a line for a block after its files. A block without a line, or whose files are not those of its
line, is made anew; the bytes do not depend on it.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.release.audit import Audit
from crossmem_hf.data.release.population import population_of
from crossmem_hf.data.release.shards import Place, Plan, ShardWriter, places, plan_of, rows_of_group
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.results_log import ResultsLog
from crossmem_hf.runs.sources import library_versions
from crossmem_hf.storage import file_digest, fingerprint

BUILD = ".build"
"""The folder of the results log, inside the dataset's folder while it is being written."""

Written = Callable[[int], None]
"""Called with the number of people that were written since the last call."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One Parquet file.

    Attributes:
        digest: SHA-256 of the file, in hex.
        num_rows: Its rows.
        num_bytes: Their size as Arrow tables, uncompressed.
        size: Bytes of the file.
    """

    digest: str
    num_rows: int
    num_bytes: int
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """What a block left.

    Attributes:
        shards: Path within the dataset -> the file.
        audit: What was seen in the rows, for the quality report.
    """

    shards: dict[str, Shard]
    audit: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Build:
    """What is built where.

    Attributes:
        folder: The dataset's folder.
        spec: The dataset.
        personas_per_shard: Person numbers a block; None for the usual number.
    """

    folder: Path
    spec: DatasetSpec
    personas_per_shard: int | None = None

    @property
    def plan(self) -> Plan:
        """How the people fall into blocks."""
        return plan_of(self.spec, self.personas_per_shard)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of all that decides the bytes of the Parquet files."""
        versions = list(library_versions(("pyarrow", "datasets")).values())
        return fingerprint([self.spec.fingerprint(), self.plan.block_size, versions])

    @property
    def log(self) -> ResultsLog:
        """What blocks are finished."""
        return ResultsLog(self.folder / BUILD, self.fingerprint)


def finished_blocks(build: Build) -> dict[int, Block]:
    """Number -> block, of those written earlier from the same spec whose files are seen to be whole."""
    found = {number: _block(build, results) for number, results in build.log.read().items()}
    return {number: block for number, block in found.items() if block is not None}


def _block(build: Build, results: list[Any]) -> Block | None:
    try:
        (line,) = results
        shards = {name: Shard(**shard) for name, shard in line["shards"].items()}
        if any(file_digest(build.folder / name) != shard.digest for name, shard in shards.items()):
            return None
        return Block(shards, line["audit"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_block(build: Build, number: int, written: Written) -> Block:
    """Write the files of one block, then its line in the results log.

    Raises:
        CrossmemError: A check of the rows failed (`data.audit`), or a file could not be written.
    """
    folder, plan = build.folder, build.plan
    names = {place: name for place in places() if (name := plan.shard_name(place, number)) is not None}
    try:
        with ExitStack() as unfinished:
            writers = {}
            for place, name in names.items():
                path = folder / f"{name}.part"
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = ShardWriter(path, features_of(place[0]), share_images=plan.share_images)
                unfinished.callback(path.unlink, missing_ok=True)
                unfinished.callback(writer.abandon)
                writers[place] = writer
            audit = _fill(writers, build, number, written)
            for writer in writers.values():
                writer.close()
            shards = {names[place]: _finished(folder / names[place], writer) for place, writer in writers.items()}
    except OSError as error:
        raise CrossmemError(
            f"Could not write {str(folder)!r}: {error.strerror or error}; the shards that are finished are kept.",
            "Free some space, and run the same again: it goes on from there.",
        ) from error
    block = Block(shards, audit.as_json())
    build.log.write(number, [asdict(block)], process=number)
    return block


def _fill(writers: dict[Place, ShardWriter], build: Build, number: int, written: Written) -> Audit:
    plan, spec = build.plan, build.spec
    audit = Audit(population_of(spec))
    for group in plan.groups(number):
        for place, writer in writers.items():
            for row in rows_of_group(place, group, plan, spec):
                audit.add(place, row)
                writer.add(row)
        audit.end_of_group()
        written(len(group))
    return audit


def _finished(path: Path, writer: ShardWriter) -> Shard:
    part = path.with_name(f"{path.name}.part")
    shard = Shard(file_digest(part), writer.num_rows, writer.num_bytes, part.stat().st_size)
    os.replace(part, path)
    return shard
