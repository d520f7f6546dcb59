# SPDX-License-Identifier: Apache-2.0
"""The dataset as files: every split of every config as Parquet, and the card. It does not know where they go."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from crossmem_hf.data.card import dataset_card
from crossmem_hf.data.loading import built_rows, silent_progress
from crossmem_hf.data.rows import features_of
from crossmem_hf.data.spec import SPLITS, DatasetSpec
from crossmem_hf.storage import fingerprint, write_atomic

if TYPE_CHECKING:
    import datasets

REPO_ID = "crossmem/personas"
_LARGEST_SHARD_BYTES = 500_000_000


def write_dataset(folder: Path, spec: DatasetSpec, *, repo_id: str = REPO_ID) -> None:
    """Write every split of every config as Parquet, and the card, into an empty folder.

    The files are those that `datasets.Dataset.push_to_hub` would upload: same names, same bytes.

    Args:
        repo_id: The name that the card tells people to load.

    Raises:
        CrossmemError: A file could not be written, or the spec cannot be built.
    """
    from datasets import DatasetInfo, SplitDict, SplitInfo

    infos: dict[str, DatasetInfo] = {}
    split_bytes: dict[tuple[str, str], int] = {}
    digests: dict[str, str] = {}
    for config, splits in SPLITS.items():
        sizes = SplitDict()
        for split in splits:
            rows = built_rows(config, split, spec)
            shards = _write_shards(rows, folder / config, split)
            digests |= {path.relative_to(folder).as_posix(): file_digest(path) for path in shards}
            split_bytes[config, split] = sum(path.stat().st_size for path in shards)
            sizes[split] = SplitInfo(name=split, num_bytes=rows.data.nbytes, num_examples=len(rows))
        infos[config] = DatasetInfo(
            config_name=config,
            features=features_of(config),
            splits=sizes,
            download_size=sum(split_bytes[config, split] for split in splits),
            dataset_size=sum(size.num_bytes for size in sizes.values()),
        )
    card = dataset_card(spec, infos, split_bytes, repo_id=repo_id, fingerprint=fingerprint(digests))
    write_atomic(folder / "README.md", card)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_shards(rows: "datasets.Dataset", folder: Path, split: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    count = rows.data.nbytes // _LARGEST_SHARD_BYTES + 1
    paths = [folder / f"{split}-{number:05d}-of-{count:05d}.parquet" for number in range(count)]
    for number, path in enumerate(paths):
        with silent_progress():
            rows.shard(num_shards=count, index=number, contiguous=True).to_parquet(path)
    return paths
