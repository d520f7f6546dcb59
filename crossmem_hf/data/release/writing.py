# SPDX-License-Identifier: Apache-2.0
"""The dataset as files: every split of every config as Parquet, and the card. It does not know where they go."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from crossmem_hf.data.configs.qa import check_questions
from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.release.blocks import BUILD, Block, Build, Shard, finished_blocks, write_block
from crossmem_hf.data.release.card import dataset_card, evaluation_tasks
from crossmem_hf.data.release.quality import (
    FILE_NAME,
    QualityReport,
    check_personas,
    content_fingerprint,
    quality_report,
)
from crossmem_hf.data.release.samples import contact_sheet
from crossmem_hf.data.release.shards import Place
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.pool import Report, run_jobs
from crossmem_hf.runs.progress import progress_bar
from crossmem_hf.runs.stages import own_folder
from crossmem_hf.storage import write_atomic

if TYPE_CHECKING:
    import datasets

REPO_ID = "crossmem/personas"


def write_dataset(
    folder: Path,
    spec: DatasetSpec,
    *,
    repo_id: str = REPO_ID,
    num_proc: int = 1,
    personas_per_shard: int | None = None,
    progress: bool = False,
) -> QualityReport:
    """Write every split of every config as Parquet, the quality report and the card into a folder.

    People are taken in blocks and rows pass one by one, so the memory needed does not grow with the dataset. Killed at
    any time and called again, it keeps the blocks that are finished. The bytes depend on the spec, the versions and
    `personas_per_shard`, not on `num_proc` and not on interruptions. A dataset of one block has the files that
    `datasets.Dataset.push_to_hub` would upload, byte for byte; a larger one has more shards, and stores a portrait
    that many questions show once a row group.

    Args:
        folder: A new or empty folder, or one in which the same dataset was begun.
        repo_id: The name that the card tells people to load.
        num_proc: Processes. They are spawned, so a script that asks for more than one needs the usual
            ``if __name__ == "__main__":``.
        personas_per_shard: People of consecutive numbers whose rows share a file; None for as many as make some 8,000
            portraits or 40,000 questions.
        progress: Show people, how many a second and the time left on the terminal.

    Returns:
        The quality report, as it stands in ``quality.json``.

    Raises:
        CrossmemError: The folder holds something else, a file could not be written, the spec cannot be built, or a
            check of the quality report failed; it is named, with the first offenders, and there is no card then.
    """
    if num_proc < 1:
        raise CrossmemError(f"num_proc={num_proc!r}; expected at least 1 process.", "Pass the number of cores.")
    build = Build(folder, spec, personas_per_shard)
    plan = build.plan
    check_questions(spec)
    check_personas(spec)
    _begin(build)
    done = finished_blocks(build)
    missing = [number for number in range(plan.num_blocks) if number not in done]
    done |= _written(build, missing, min(num_proc, len(missing)), progress)
    blocks = [block for _, block in sorted(done.items())]
    shards = {name: shard for block in blocks for name, shard in block.shards.items()}
    content = content_fingerprint({name: shard.digest for name, shard in shards.items()})
    report = quality_report(spec, [block.audit for block in blocks], content)
    _finish(folder, spec, shards, report, repo_id)
    return report


def _begin(build: Build) -> None:
    """Accept a folder that is empty or holds the beginning of this very dataset, and claim it."""
    folder = build.folder
    if (folder / BUILD / "run.json").exists():
        for left in folder.glob(".*"):  # by a kill in the middle of `write_atomic`
            if left.is_file():
                left.unlink()
    elif folder.exists() and any(path.name != BUILD for path in folder.iterdir()):
        raise CrossmemError(f"{str(folder)!r} is not empty.", "Name a folder that is new or empty.")
    remedy = f"It is a dataset that was not finished: delete {str(folder)!r}, or choose another folder."
    own_folder(folder / BUILD, build.fingerprint, overwrite=False, settings=build.spec.described(), remedy=remedy)


@dataclass(frozen=True, slots=True)
class _BlockJob:
    """A block to write, for a process of its own."""

    build: Build
    number: int

    @property
    def name(self) -> str:
        return f"block {self.number}"

    @property
    def num_personas(self) -> int:
        return sum(map(len, self.build.plan.groups(self.number)))

    def run(self, report: Report) -> Block:
        personas = 0

        def written(more: int) -> None:
            nonlocal personas
            personas += more
            report(self.name, personas / self.num_personas)

        return write_block(self.build, self.number, written)


def _written(build: Build, numbers: Sequence[int], num_proc: int, progress: bool) -> dict[int, Block]:
    jobs = [_BlockJob(build, number) for number in numbers]
    personas, shares = [job.num_personas for job in jobs], [0.0] * len(jobs)
    kept = build.plan.num_personas - sum(personas)
    with progress_bar("Writing", build.plan.num_personas, done=kept, unit="people", shown=progress) as bar:

        def display(index: int, step: str, share: float) -> None:
            shares[index] = share
            bar.to(kept + sum(map(mul, personas, shares)))

        if num_proc <= 1:
            blocks = [job.run(partial(display, index)) for index, job in enumerate(jobs)]
        else:
            how: dict[str, Any] = {"console": Console(stderr=True), "display": display, "torch_threads": False}
            blocks = run_jobs(jobs, workers=num_proc, log=build.folder / BUILD / "log.txt", **how)
    return dict(zip(numbers, blocks, strict=True))


def _finish(folder: Path, spec: DatasetSpec, shards: dict[str, Shard], report: QualityReport, repo_id: str) -> None:
    """Write all that is not Parquet; a folder with a card and without a results log is whole."""
    write_atomic(folder / FILE_NAME, report.as_json())
    write_atomic(folder / "samples.png", contact_sheet(spec))
    write_atomic(folder / "eval.yaml", evaluation_tasks(repo_id))
    sizes: dict[Place, int] = {}
    for name, shard in shards.items():
        sizes[_place_of(name)] = sizes.get(_place_of(name), 0) + shard.size
    write_atomic(folder / "README.md", dataset_card(spec, _infos(shards, sizes), sizes, report, repo_id=repo_id))
    shutil.rmtree(folder / BUILD)


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
