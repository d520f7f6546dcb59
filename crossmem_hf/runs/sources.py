# SPDX-License-Identifier: Apache-2.0
"""What code a piece of work depends on: the import closure of its functions, and the libraries that matter.

The closure is read from the sources, nothing is imported. It follows every import of this package, also inside
functions, but none under ``TYPE_CHECKING``, and every ``"module:object"`` of a `registry.Registry`. A package whose
names come through a lazy ``__getattr__`` is looked through, and is itself no part of it. It does not know what the
work is.
"""

import ast
import hashlib
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from crossmem_hf.errors import CrossmemError

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("accelerate", "datasets", "numpy", "peft", "tokenizers", "torch", "transformers", "trl")
"""What the numbers of a model depend on besides our code."""
ROW_LIBRARIES = ("faker", "pillow")
"""What the rows depend on besides our code."""

_PLACE = re.compile(rb"""["']((?:[^\W\d]\w*\.)+\w+):\w+["']""")

Start = Callable[..., Any] | ModuleType | str
"""A function, a class, a module, or a module's dotted name."""


def code_fingerprint(*starts: Start, root: Path = PACKAGE) -> str:
    """Sixteen hex digits that change with any file of the import closure, and with no other file.

    Raises:
        CrossmemError: See `closure`.

    Example:
        >>> code_fingerprint("crossmem_hf.errors") == code_fingerprint("crossmem_hf.errors", CrossmemError)
        True
    """
    return _code_fingerprint(tuple(_module_of(start) for start in starts), root)


def closure(*starts: Start, root: Path = PACKAGE) -> tuple[Path, ...]:
    """The files that the functions or modules depend on, their own included, sorted.

    Args:
        root: Folder of the package, for a copy of it.

    Raises:
        CrossmemError: One of them is in no file, such as a function typed into a notebook.

    Example:
        >>> [path.name for path in closure("crossmem_hf.storage")]
        ['errors.py', 'storage.py']
    """
    return _closure(tuple(_module_of(start) for start in starts), root)


def library_versions(names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Library -> installed version, of those that a stage's numbers depend on."""
    return {name: version(name) for name in names}


def environment() -> dict[str, str]:
    """Every version that a record names: `LIBRARIES`, `ROW_LIBRARIES`, scipy, this package and Python."""
    named = library_versions(("crossmem_hf", *LIBRARIES, *ROW_LIBRARIES, "scipy"))
    return dict(sorted({**named, "python": platform.python_version()}.items()))


@lru_cache(maxsize=64)  # what is loaded does not change while a process runs
def _code_fingerprint(modules: tuple[str, ...], root: Path) -> str:
    digest = hashlib.sha256()
    for path in _closure(modules, root):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _module_of(start: Start) -> str:
    if isinstance(start, str):
        return start
    if isinstance(start, ModuleType):
        return start.__name__
    return str(getattr(start, "func", start).__module__)  # of a functools.partial: the function itself


def _closure(modules: Sequence[str], root: Path) -> tuple[Path, ...]:
    found: set[Path] = set()
    waiting = [_start_file(module, root) for module in modules]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _Imports(path, root).files()
    return tuple(sorted(found))


def _start_file(module: str, root: Path) -> Path:
    """A module of the package, or any other that is loaded from a file, such as a recipe."""
    path = _file_of(module, root)
    if path is None and module.split(".")[0] != root.name:
        named = getattr(sys.modules.get(module), "__file__", None)
        path = Path(named).resolve() if named else None
    if path is None or not path.is_file():
        raise CrossmemError(
            f"The code of {module!r} is in no file, so what it depends on cannot be told.",
            "Put the function into a module.",
        )
    return path


def _file_of(module: str, root: Path) -> Path | None:
    """The file of a module of the package; None for anything else."""
    first, *below = module.split(".")
    if first != root.name:
        return None
    place = root.joinpath(*below)
    files = (place / "__init__.py", *([place.with_name(f"{place.name}.py")] if below else []))
    return next((path for path in files if path.is_file()), None)


class _Imports:
    """The files of the package that one file imports."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root

    def files(self) -> set[Path]:
        """Modules, and the `__init__` files of the packages they are in."""
        modules = {name for line in _read(self.path.read_bytes()).imports for name in self._modules(*line)}
        ancestors = {name.rsplit(".", up)[0] for name in modules for up in range(1, name.count(".") + 1)}
        paths = {_file_of(name, self.root) for name in modules | ancestors}
        return {path for path in paths if path is not None and _lazy_names(path) is None}

    def _modules(self, module: str, level: int, name: str) -> Iterator[str]:
        origin = self._origin(module, level)
        if name != "*" and _file_of(f"{origin}.{name}", self.root) is not None:
            yield f"{origin}.{name}"
            return
        path = _file_of(origin, self.root)
        homes = None if path is None else _lazy_names(path)
        if homes is None:
            yield origin
        else:  # of a lazy package that is imported whole, any name may be used
            yield from (home for known, home in homes if name in (known, "*"))

    def _origin(self, module: str, level: int) -> str:
        """The module that names come from; the dots of a relative import count from this file."""
        if not level or not self.path.is_relative_to(self.root):
            return module
        here = [self.root.name, *self.path.relative_to(self.root).parent.parts]
        return ".".join([*here[: len(here) - level + 1], *([module] if module else [])])


@dataclass(frozen=True, slots=True)
class _Source:
    """What counts of one file.

    Attributes:
        imports: (module, dots before it, name) of what is imported at run time; the name "*" is all of the module.
        gives: (name, module) of what a package gives out through a `__getattr__`; None where it has none.
    """

    imports: tuple[tuple[str, int, str], ...]
    gives: tuple[tuple[str, str], ...] | None


@lru_cache(maxsize=1024)
def _read(source: bytes) -> _Source:
    tree = ast.parse(source)
    places = {(module.decode(), 0, "*") for module in _PLACE.findall(source)}
    imports = tuple(sorted(places | {line for node in _run_time_imports(tree) for line in _lines(node)}))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body):
        return _Source(imports, None)
    typed = [line for node in tree.body if isinstance(node, ast.If) and _for_type_checkers(node) for line in node.body]
    named = [(alias, node.module) for node in typed if isinstance(node, ast.ImportFrom) for alias in node.names]
    return _Source(imports, tuple((alias.asname or alias.name, module) for alias, module in named if module))


def _lazy_names(path: Path) -> tuple[tuple[str, str], ...] | None:
    """(name, module) of what a package gives out through a `__getattr__` of its own; None for anything else."""
    return _read(path.read_bytes()).gives if path.name == "__init__.py" else None


def _run_time_imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports at every depth, without those that only a type checker sees."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    skipped = node.body if isinstance(node, ast.If) and _for_type_checkers(node) else []
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr) and child not in skipped:
            yield from _run_time_imports(child)


def _lines(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, int, str]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, 0, "*") for alias in node.names)
    else:
        yield from ((node.module or "", node.level, alias.name) for alias in node.names)


def _for_type_checkers(node: ast.If) -> bool:
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
