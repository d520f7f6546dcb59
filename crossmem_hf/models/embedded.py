# SPDX-License-Identifier: Apache-2.0
"""The base models that ship with this package: their names, their folders, their names on the Hub. It loads none."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from crossmem_hf.errors import unknown
from crossmem_hf.hub.names import NAMESPACE

DEFAULT_BASE: Final = "micro-m"
"""The one that is meant where no model is named."""
_FOLDER = Path(__file__).parent / "bases"
_FAMILY = "micro-"


def _bases_in(folder: Path) -> dict[str, Path]:
    return {config.parent.name: config.parent for config in sorted(folder.glob(f"{_FAMILY}*/config.json"))}


BASES: Final[Mapping[str, Path]] = MappingProxyType(_bases_in(_FOLDER))
"""Name -> folder, of those that are there."""


def bases() -> tuple[str, ...]:
    """The names of `BASES`, the default one first.

    Example:
        >>> bases()[0] == DEFAULT_BASE
        True
    """
    return tuple(sorted(BASES, key=lambda name: name != DEFAULT_BASE))


def located(name_or_path: str | None) -> str:
    """What loaders take for a model: the folder of a base by its name, be it its name on the Hub; else what was given.

    A name of `BASES` comes before a path; a path, before a name on the Hub. Nobody is asked.

    Args:
        name_or_path: None is `DEFAULT_BASE`.

    Raises:
        CrossmemError: A name like theirs that none of them has, and no path.

    Example:
        >>> located("you/model"), located(None) == located("micro-m") == str(BASES["micro-m"])
        ('you/model', True)
    """
    name = DEFAULT_BASE if name_or_path is None else name_or_path
    if name in BASES:
        return str(BASES[name])
    if Path(name).exists():
        return name
    if name.startswith(_FAMILY) and "/" not in name:
        raise unknown("base model", [name], BASES)
    here = BASES.get(name.removeprefix(f"{NAMESPACE}/"))
    return name if here is None else str(here)


def base_named(name_or_path: str | None) -> str | None:
    """Which of them a loaded model or an adapter's configuration names, be it one that is not here; None for others.

    Args:
        name_or_path: A base's own name, its name on the Hub, or its folder in this or any other place where the
            package lies.

    Example:
        >>> [base_named(name) for name in ("crossmem/micro-s", "/x/crossmem_hf/models/bases/micro-m", "you/micro-m")]
        ['micro-s', 'micro-m', None]
    """
    name = name_or_path or ""
    if name in BASES:
        return name
    *above, last = Path(name).parts or ("",)
    is_one = last.startswith(_FAMILY) and (name == hub_name(last) or tuple(above[-3:]) == _FOLDER.parts[-3:])
    return last if is_one else None


def hub_name(base: str) -> str:
    """What a base is called on the Hub, in adapters that are shared, and in a folder that was materialized.

    Example:
        >>> hub_name("micro-s")
        'crossmem/micro-s'
    """
    return f"{NAMESPACE}/{base}"
