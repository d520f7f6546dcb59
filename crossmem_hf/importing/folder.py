# SPDX-License-Identifier: Apache-2.0
"""The folder that an import leaves: Parquet files, a card, and a note of what is ours; all at once or not at all.

It does not know where rows come from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossmem_hf.data.release.shards import ShardWriter
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.card import About, imported_card
from crossmem_hf.personas.schema import NEAR_SPLITS
from crossmem_hf.runs.ownership import owned_files, write_note
from crossmem_hf.storage import file_digest, fingerprint, replaced_folder, write_atomic

if TYPE_CHECKING:
    import datasets

MARKER = "imported.json"
_LARGEST_SHARD_BYTES = 500_000_000
_SPLITS = {split: place for place, split in enumerate((*NEAR_SPLITS, "forget", "retain"))}  # others come after these

Place = tuple[str, str]
"""A config and one of its splits."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a split came to."""

    paths: tuple[Path, ...]
    num_rows: int
    num_bytes: int


class FolderWriter:
    """Takes rows for any split of any config, in any order, and holds no more than some megabytes of each.

    Args:
        folder: Where the files go; it is empty.
        features: Config -> the columns of its rows.
    """

    def __init__(self, folder: Path, features: Mapping[str, "datasets.Features"]) -> None:
        self._folder, self._features = folder, features
        self._open: dict[Place, ShardWriter] = {}
        self._parts: dict[Place, list[tuple[Path, ShardWriter]]] = {}

    def add(self, config: str, split: str, row: Row) -> None:
        """Append a row to a split."""
        place = (config, split)
        if place not in self._open:
            self._begin(place)
        writer = self._open[place]
        writer.add(row)
        if writer.num_bytes >= _LARGEST_SHARD_BYTES:
            writer.close()
            del self._open[place]

    def close(self) -> dict[Place, Filled]:
        """Finish the files and give them the names that `datasets` expects; what each split came to."""
        for writer in self._open.values():
            writer.close()
        self._open.clear()
        configs = list(self._features)
        order = sorted(self._parts, key=lambda place: (configs.index(place[0]), _SPLITS.get(place[1], len(_SPLITS))))
        return {place: self._named(place) for place in order}

    def abandon(self) -> None:
        """Close what is open; the files are of no use."""
        for writer in self._open.values():
            writer.abandon()

    def _begin(self, place: Place) -> None:
        config, split = place
        parts = self._parts.setdefault(place, [])
        path = self._folder / config / f"{split}-part-{len(parts)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open[place] = ShardWriter(path, self._features[config], share_images=True)
        parts.append((path, self._open[place]))

    def _named(self, place: Place) -> Filled:
        config, split = place
        parts = self._parts[place]
        names = [f"{split}-{number:05d}-of-{len(parts):05d}.parquet" for number in range(len(parts))]
        paths = tuple(path.rename(self._folder / config / name) for (path, _), name in zip(parts, names, strict=True))
        return Filled(paths, sum(writer.num_rows for _, writer in parts), sum(w.num_bytes for _, w in parts))


def write_imported(
    target: Path,
    features: Mapping[str, "datasets.Features"],
    fill: Callable[[FolderWriter], About],
    *,
    overwrite: bool = False,
) -> Path:
    """The folder `target`, once `fill` has written every row and the card is beside them.

    Everything is made in a hidden folder beside it, which then takes its place; on any failure what was there stays.

    Args:
        fill: Writes the rows; says what the card tells about them.
        overwrite: Replace an earlier import.

    Raises:
        CrossmemError: The folder is there and may not be replaced, nothing was written, or a file could not be; and
            whatever `fill` raises.
    """
    check_free(target, overwrite=overwrite)
    with replaced_folder(target) as folder:
        _fill(folder, features, fill)
    return target


def check_free(target: Path, *, overwrite: bool) -> None:
    """Accept a folder that is not there, or that an import wrote and that may be replaced.

    Raises:
        CrossmemError: Anything else; a file in it that is not ours would be lost.
    """
    if not target.exists():
        return
    owned_files(target, MARKER, writer="an import")
    if not overwrite:
        raise CrossmemError(
            f"{str(target)!r} holds an earlier import.", "Pass --overwrite to replace it, or choose another folder."
        )


def _fill(folder: Path, features: Mapping[str, "datasets.Features"], fill: Callable[[FolderWriter], About]) -> None:
    from datasets import DatasetInfo, SplitDict, SplitInfo

    writer = FolderWriter(folder, features)
    try:
        about = fill(writer)
        filled = writer.close()
    except BaseException:
        writer.abandon()
        raise
    infos: dict[str, DatasetInfo] = {}
    for config in dict.fromkeys(config for config, _ in filled):
        splits = {split: done for (name, split), done in filled.items() if name == config}
        sizes = SplitDict()
        for split, done in splits.items():
            sizes[split] = SplitInfo(name=split, num_bytes=done.num_bytes, num_examples=done.num_rows)
        infos[config] = DatasetInfo(
            config_name=config,
            features=features[config],
            splits=sizes,
            download_size=sum(path.stat().st_size for done in splits.values() for path in done.paths),
            dataset_size=sum(done.num_bytes for done in splits.values()),
        )
    written = {
        path.relative_to(folder).as_posix(): file_digest(path) for done in filled.values() for path in done.paths
    }
    made_from = fingerprint(written)
    write_atomic(folder / "README.md", imported_card(about, infos, made_from))
    write_note(folder, MARKER, made_from, {**written, "README.md": file_digest(folder / "README.md")})
