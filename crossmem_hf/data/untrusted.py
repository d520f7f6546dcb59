# SPDX-License-Identifier: Apache-2.0
"""What somebody else's dataset may hide: cards and pictures that explode or point elsewhere. It loads no rows."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import without_the_hub
from crossmem_hf.pictures.reading import BadPictureError, opened
from crossmem_hf.runs.retry import with_retries

LARGEST_CARD_BYTES = 5_000_000
LARGEST_PICTURE_PIXELS = 50_000_000
_LARGEST_CARD_NODES = 500_000
_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def check_dataset_card(dataset_name: str) -> None:
    """Accept the card of a folder or a Hub dataset, before any library reads it; one that is missing is fine.

    Raises:
        CrossmemError: It is too large, no plain YAML, grows without measure when its aliases are followed, or names
            data files outside the dataset.
    """
    aside = Path(dataset_name) / ".huggingface.yaml"  # datasets reads it as a second card; from the Hub it refuses
    if aside.is_file():
        raise _hostile_card(dataset_name, f"has {aside.name!r} beside it, which overrides it")
    path = Path(dataset_name) / "README.md" if Path(dataset_name).is_dir() else _fetched_card(dataset_name)
    if path is None or not path.is_file():
        return
    if path.stat().st_size > LARGEST_CARD_BYTES:
        raise _hostile_card(dataset_name, f"has {path.stat().st_size} bytes; at most {LARGEST_CARD_BYTES} are read")
    front_matter = _FRONT_MATTER.match(path.read_text(errors="replace"))
    if front_matter:
        _check_front_matter(dataset_name, front_matter[1])


def _fetched_card(dataset_name: str) -> Path | None:
    """The card of a Hub dataset; None if there is none, which load_dataset explains better."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import (
        HFValidationError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    def fetch() -> Path | None:
        try:
            size = get_hf_file_metadata(hf_hub_url(dataset_name, "README.md", repo_type="dataset")).size or 0
            if size > LARGEST_CARD_BYTES:
                raise _hostile_card(dataset_name, f"has {size} bytes; at most {LARGEST_CARD_BYTES} are read")
            return Path(hf_hub_download(dataset_name, "README.md", repo_type="dataset"))
        except (RemoteEntryNotFoundError, RepositoryNotFoundError, HFValidationError):
            return None

    try:
        return with_retries(f"read the card of {dataset_name!r}", fetch, unreachable=without_the_hub(dataset_name))
    except CrossmemError as error:
        if error.__cause__ is None:
            raise
        cached = try_to_load_from_cache(dataset_name, "README.md", repo_type="dataset")
        if isinstance(cached, str):
            return Path(cached)  # what load_dataset falls back on, too
        if isinstance(error.__cause__, OfflineModeIsEnabled):
            return None
        raise


def _check_front_matter(dataset_name: str, text: str) -> None:
    import yaml

    try:
        if _num_nodes(yaml.compose(text, Loader=yaml.SafeLoader)) > _LARGEST_CARD_NODES:
            raise _hostile_card(dataset_name, f"stands for more than {_LARGEST_CARD_NODES} values")
        front = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise _hostile_card(dataset_name, f"is no plain YAML: {reason[:300]}") from error
    except RecursionError as error:
        raise _hostile_card(dataset_name, "is nested too deeply, or in itself") from error
    for pattern in _data_files(front):
        if "://" in pattern or "\\" in pattern or pattern.startswith("/") or ".." in PurePosixPath(pattern).parts:
            raise _hostile_card(dataset_name, f"names data files outside the dataset: {pattern!r}")


def _num_nodes(root: Any) -> int:
    """How many values a YAML document stands for once every alias is written out.

    Raises:
        RecursionError: It holds itself, or is nested deeper than Python can follow.
    """
    known: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: Any) -> int:
        if id(node) in known:
            return known[id(node)]
        if id(node) in open_nodes:
            raise RecursionError
        open_nodes.add(id(node))
        children = node.value if isinstance(getattr(node, "value", None), list) else ()
        inner = (part for child in children for part in (child if isinstance(child, tuple) else (child,)))
        known[id(node)] = 1 + sum(count(part) for part in inner)
        open_nodes.discard(id(node))
        return known[id(node)]

    return count(root)


def _data_files(front: Any) -> Iterator[str]:
    """Every pattern of ``configs: - data_files:``, in whichever of its forms, and every ``data_dir``."""
    configs = front.get("configs") if isinstance(front, Mapping) else None
    for config in configs if isinstance(configs, list) else ():
        if isinstance(config, Mapping):
            yield from _strings(config.get("data_files"))
            yield from _strings(config.get("data_dir"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if key != "split":
                yield from _strings(each)


def _hostile_card(dataset_name: str, fault: str) -> CrossmemError:
    return CrossmemError(
        f"The card (README.md) of {dataset_name!r} {fault}.",
        "Tell whoever published it, or remove its front matter from a copy of your own.",
    )


def picture_error(stored: Mapping[str, Any] | None, places: tuple[Path, ...]) -> str:
    """Why a stored picture cannot or must not be shown; empty if it can. Reads its size before its pixels.

    Args:
        stored: As `datasets.Image(decode=False)` gives it: ``bytes``, ``path`` or both.
        places: The folders from which a picture without bytes may be read.
    """
    from PIL import Image

    if not stored or not (stored["bytes"] or stored["path"]):
        return "it is empty"
    if not stored["bytes"] and not _is_inside(str(stored["path"]), places):
        return f"it points to {stored['path']!r}, outside the dataset"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            with opened(stored) as picture:
                width, height = picture.size
                if width * height > LARGEST_PICTURE_PIXELS:
                    return f"it has {width} x {height} pixels; at most {LARGEST_PICTURE_PIXELS} in all are shown"
                # verify() reads the checksums of a PNG without decoding it; other formats have none.
                picture.verify() if picture.format == "PNG" else picture.load()
    except BadPictureError as error:
        return error.reason
    return ""


def _is_inside(path: str, places: tuple[Path, ...]) -> bool:
    if "://" in path:
        return False
    resolved = Path(path).resolve()
    return any(resolved.is_relative_to(place.resolve()) for place in places)
