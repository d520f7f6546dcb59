# SPDX-License-Identifier: Apache-2.0
"""The repository as the layout tests see it: tracked files, parsed modules. It knows no rule."""

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
_NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "crossmem_runs", "outputs"}


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository, relative to its root; links to folders are not followed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        found = [Path(line) for line in listed.stdout.splitlines()]
    else:  # an unpacked archive without git
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if not _NOT_OURS & set(path.parts)]
    return tuple(sorted({path for path in found if (ROOT / path).is_file() and not _through_link(path)}))


def _through_link(path: Path) -> bool:
    return any((ROOT / parent).is_symlink() for parent in path.parents)


@cache
def text(path: Path) -> str:
    """A file's text, `path` relative to the root."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(text(path), filename=str(path))


def python_files(*folders: str) -> list[Path]:
    """Python files under the given top-level folders; all of them when none is given."""
    return [path for path in files() if path.suffix == ".py" and (not folders or path.parts[0] in folders)]


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every absolute import, also inside functions and under TYPE_CHECKING, and of what a
    `registry.Registry` names."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from crossmem_hf.data import rows` names a module, `from crossmem_hf.errors import X` does not.
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in named if (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()]
            yield from ((node.lineno, name) for name in modules or [node.module])
        elif isinstance(node, ast.Constant) and re.fullmatch(r"crossmem_hf(\.\w+)+:\w+", str(node.value)):
            yield node.lineno, node.value.partition(":")[0]


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for a chain of names, an empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def literal(path: Path, name: str) -> object:
    """The value of the module-level constant `name`."""
    for node in tree(path).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(dotted(target) == name for target in targets):
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} assigns no {name}")


def script(path: str) -> ModuleType:
    """A script of the repository as a module, which no package holds."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
