# SPDX-License-Identifier: Apache-2.0
"""The dataset as files: every split of every config as Parquet, and the card. It does not know where they go."""

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.configs.qa import check_questions
from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.release.blocks import RECORDS, Block, Build, Shard, Tell, finished_block, write_block
from crossmem_hf.data.release.card import dataset_card, evaluation_tasks
from crossmem_hf.data.release.quality import (
    FILE_NAME,
    QualityReport,
    check_people,
    content_fingerprint,
    quality_report,
)
from crossmem_hf.data.release.samples import contact_sheet
from crossmem_hf.data.release.shards import Place
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import write_atomic

if TYPE_CHECKING:
    import datasets

REPO_ID = "crossmem/personas"
_STARTED = "fingerprint"


def write_dataset(
    folder: Path,
    spec: DatasetSpec,
    *,
    repo_id: str = REPO_ID,
    num_proc: int = 1,
    people_per_shard: int | None = None,
    progress: bool = False,
) -> QualityReport:
    """Write every split of every config as Parquet, the quality report and the card into a folder.

    People are taken in blocks and rows pass one by one, so the memory needed does not grow with the dataset. Killed at
    any time and called again, it keeps the blocks that are finished. The bytes depend on the spec, the versions and
    `people_per_shard`, not on `num_proc` and not on interruptions. A dataset of one block has the files that
    `datasets.Dataset.push_to_hub` would upload, byte for byte; a larger one has more shards, and stores a portrait
    that many questions show once a row group.

    Args:
        folder: A new or empty folder, or one in which the same dataset was begun.
        repo_id: The name that the card tells people to load.
        num_proc: Processes. They are spawned, so a script that asks for more than one needs the usual
            ``if __name__ == "__main__":``.
        people_per_shard: People of consecutive numbers whose rows share a file; None for as many as make some 8,000
            portraits or 40,000 questions.
        progress: Show people, rows a second and the time left on the terminal.

    Returns:
        The quality report, as it stands in ``quality.json``.

    Raises:
        CrossmemError: The folder holds something else, a file could not be written, the spec cannot be built, or a
            check of the quality report failed; it is named, with the first offenders, and there is no card then.
    """
    if num_proc < 1:
        raise CrossmemError(f"num_proc={num_proc!r}; expected at least 1 process.", "Pass the number of cores.")
    build = Build(folder, spec, people_per_shard)
    plan = build.plan
    check_questions(spec)
    check_people(spec)
    _begin(build)
    done = {number: finished_block(build, number) for number in range(plan.num_blocks)}
    missing = [number for number, block in done.items() if block is None]
    people_left = sum(len(group) for number in missing for group in plan.groups(number))
    with _shown(plan.num_people, plan.num_people - people_left, progress=progress) as tell:
        done |= _written(build, missing, min(num_proc, len(missing)), tell)
    blocks = [block for _, block in sorted(done.items()) if block is not None]
    shards = {name: shard for block in blocks for name, shard in block.shards.items()}
    content = content_fingerprint({name: shard.digest for name, shard in shards.items()})
    report = quality_report(spec, [block.audit for block in blocks], content)
    _finish(folder, spec, shards, report, repo_id)
    return report


def _begin(build: Build) -> None:
    """Accept a folder that is empty or holds the beginning of this very dataset, and mark it."""
    folder = build.folder
    mark = folder / RECORDS / _STARTED
    if mark.is_file():
        if mark.read_text() != build.fingerprint:
            raise CrossmemError(
                f"{str(folder)!r} holds an unfinished dataset of another spec or version.",
                "Delete the folder or choose another one.",
            )
        for left in folder.glob(".*"):  # by a kill in the middle of `write_atomic`
            if left.is_file():
                left.unlink()
        return
    if folder.exists() and any(path.name != RECORDS for path in folder.iterdir()):
        raise CrossmemError(f"{str(folder)!r} is not empty.", "Name a folder that is new or empty.")
    write_atomic(mark, build.fingerprint)


def _written(build: Build, numbers: Sequence[int], num_proc: int, tell: Tell) -> dict[int, Block]:
    if num_proc <= 1:
        return {number: write_block(build, number, tell) for number in numbers}
    context = get_context("spawn")
    counts = context.Array("q", 2)
    blocks: dict[int, Block] = {}
    with ProcessPoolExecutor(num_proc, mp_context=context, initializer=_start_worker, initargs=(counts,)) as pool:
        pending: dict[Future[Block], int] = {pool.submit(_work, build, number): number for number in numbers}
        try:
            while pending:
                finished, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                blocks |= {pending.pop(future): future.result() for future in finished}
                with counts.get_lock():
                    people, rows = counts[0], counts[1]
                    counts[0] = counts[1] = 0
                tell(people, rows)
        except BrokenProcessPool as error:
            raise CrossmemError(
                "A writing process died; the system may have run out of memory.",
                "Run the same again: finished shards are kept; use fewer processes if memory is short.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return blocks


_counts: Any = None
"""In a worker: people and rows it has written, shared with the parent."""


def _start_worker(counts: Any) -> None:
    global _counts
    _counts = counts
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this process as soon as its parent is gone; a worker would otherwise wait for ever for a killed one."""
    parent = parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    os._exit(1)


def _work(build: Build, number: int) -> Block:
    def tell(people: int, rows: int) -> None:
        with _counts.get_lock():
            _counts[0] += people
            _counts[1] += rows

    return write_block(build, number, tell)


@contextmanager
def _shown(num_people: int, num_done: int, *, progress: bool) -> Iterator[Tell]:
    """A bar on the error stream, moved by the function it gives."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("people, {task.fields[rate]} rows a second,"),
        TimeElapsedColumn(),
        TextColumn("so far,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("Writing", total=num_people, completed=num_done, rate="0")
        num_rows = 0

        def tell(people: int, rows: int) -> None:
            nonlocal num_rows
            num_rows += rows
            elapsed = bar.tasks[0].elapsed or 0
            bar.update(task, advance=people, rate=f"{num_rows / elapsed:,.0f}" if elapsed else "0")

        yield tell


def _finish(folder: Path, spec: DatasetSpec, shards: dict[str, Shard], report: QualityReport, repo_id: str) -> None:
    """Write all that is not Parquet; a folder with a card and without records is whole."""
    write_atomic(folder / FILE_NAME, report.as_json())
    write_atomic(folder / "samples.png", contact_sheet(spec))
    write_atomic(folder / "eval.yaml", evaluation_tasks(repo_id))
    sizes: dict[Place, int] = {}
    for name, shard in shards.items():
        sizes[_place_of(name)] = sizes.get(_place_of(name), 0) + shard.size
    write_atomic(folder / "README.md", dataset_card(spec, _infos(shards, sizes), sizes, report, repo_id=repo_id))
    shutil.rmtree(folder / RECORDS)


def _place_of(name: str) -> Place:
    """The config and split of a shard by its name within the dataset."""
    config, _, rest = name.partition("/")
    return config, rest.rsplit("-", 3)[0]


def _infos(shards: dict[str, Shard], sizes: dict[Place, int]) -> dict[str, "datasets.DatasetInfo"]:
    from datasets import DatasetInfo, SplitDict, SplitInfo

    infos = {}
    for config, splits in SPLITS.items():
        of_splits = SplitDict()
        for split in splits:
            parts = [shard for name, shard in shards.items() if _place_of(name) == (config, split)]
            num_bytes, num_rows = sum(part.num_bytes for part in parts), sum(part.num_rows for part in parts)
            of_splits[split] = SplitInfo(name=split, num_bytes=num_bytes, num_examples=num_rows)
        infos[config] = DatasetInfo(
            config_name=config,
            features=features_of(config),
            splits=of_splits,
            download_size=sum(sizes[config, split] for split in splits),
            dataset_size=sum(part.num_bytes for part in of_splits.values()),
        )
    return infos
