# SPDX-License-Identifier: Apache-2.0
"""A folder in which the Hub's names work without the Hub. It does not know what the dataset or the metrics contain.

`load_dataset("crossmem/personas")`, `evaluate.load("crossmem/exposure")` and `from_pretrained("crossmem/micro-m")`
look at the local path first, so in a folder that holds these three they work offline, unchanged.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from crossmem_hf.data.release.writing import write_dataset
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import NAMESPACE
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE
from crossmem_hf.runs.ownership import digests, owned_files, write_note
from crossmem_hf.storage import file_digest, fingerprint, replaced_folder, write_atomic

MARKER = "materialized.json"
_METRICS, _RECIPES = (Path(__file__).parent.parent / name for name in ("metrics", "recipes"))


def materialize(
    directory: str | os.PathLike[str] = ".",
    spec: DatasetSpec | None = None,
    *,
    overwrite: bool = False,
    num_proc: int = 1,
) -> Path:
    """Fill ``directory/crossmem`` with the dataset, every metric and the default base, all at once or not at all.

    A folder that already holds exactly this is left alone, so calling twice costs nothing. Recipes that are not there
    go to ``directory/recipes``, for `accelerate launch`; a file of that name is never replaced.

    Args:
        directory: The folder to work in afterwards; made if need be.
        spec: Which dataset; None for the default one.
        overwrite: Replace a folder made from another spec, by another version, or changed since.
        num_proc: Processes that write; see `writing.write_dataset`.

    Returns:
        The path of ``directory/crossmem``.

    Raises:
        CrossmemError: The folder holds something else, or cannot be written (whatever was there is intact).
    """
    spec = spec or DatasetSpec()
    copied = {f"{name}/{path.name}": path for name, path in (*metric_files(), *model_files())}
    made_from = fingerprint({"data": spec.fingerprint(), "copied": {k: file_digest(v) for k, v in copied.items()}})
    target = Path(directory) / NAMESPACE
    if not (target.exists() and _is_current(target, made_from, spec, overwrite=overwrite)):
        with replaced_folder(target) as folder:
            _fill(folder, copied, made_from, spec, num_proc)
    for source in (*_RECIPES.glob("*.py"), *_RECIPES.glob("*.yaml"), *_RECIPES.glob("*/*.yaml")):
        place = Path(directory) / "recipes" / source.relative_to(_RECIPES)
        if not place.exists():
            write_atomic(place, source.read_bytes())
    return target


def _fill(folder: Path, copied: dict[str, Path], made_from: str, spec: DatasetSpec, num_proc: int) -> None:
    write_dataset(folder / "personas", spec, num_proc=num_proc)
    for name, source in copied.items():
        write_atomic(folder / name, source.read_bytes())
    write_note(folder, MARKER, made_from, digests(folder, MARKER), spec=spec.as_dict())


def metric_files() -> Iterator[tuple[str, Path]]:
    """(metric, file) of everything a metric's Space holds; links are followed, the package's own files left out."""
    for folder in sorted(path for path in _METRICS.resolve().iterdir() if path.is_dir()):
        if not (folder / f"{folder.name}.py").is_file():
            continue
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name != "__init__.py" and not path.name.startswith("."):
                yield folder.name, path


def model_files(base: str = DEFAULT_BASE) -> Iterator[tuple[str, Path]]:
    """(name, file) of everything that a base is saved as."""
    for path in sorted(BASES[base].iterdir()):
        yield base, path


def _is_current(target: Path, made_from: str, spec: DatasetSpec, *, overwrite: bool) -> bool:
    """Whether the folder already holds what is wanted; False means that it may be replaced."""
    found = owned_files(target, MARKER, writer="us")
    on_disk = digests(target, MARKER)
    if found.fingerprint == made_from and on_disk == found.files:
        return True
    if overwrite:
        return False
    if found.fingerprint == made_from:
        name = next(name for name, digest in found.files.items() if on_disk.get(name) != digest)
        fault = f"{str(target / name)!r} was changed or removed since it was written."
    else:
        ours, theirs = spec.as_dict(), found.about.get("spec", {})
        other = {name: value for name, value in theirs.items() if ours.get(name) != value}
        changed = f"it was made with {other!r}" if other else "the code that makes it has changed"
        fault = f"{str(target)!r} has fingerprint {found.fingerprint!r}, not {made_from!r}: {changed}."
    raise CrossmemError(fault, "Pass --overwrite (overwrite=True) to replace it, or choose another folder.")
