# SPDX-License-Identifier: Apache-2.0
"""The shape of the library as rules: how long things get, and what must never appear. It does not know the layers."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests import sources

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 60
MAX_NAME_WORDS = 12
NO_LOGIC = ("__init__", "__main__", "app")
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}

IMPORTED_AS = {  # where the package has another name than the module
    "pillow": "PIL",
    "pyyaml": "yaml",
    "pillow-heif": "pillow_heif",
    "dlib-bin": "dlib",
}
CAME_ALONG = {"filelock", "pyarrow", "pydantic", "tokenizers"}  # of our dependencies; used by us too
HEAVY = ("torch", "transformers", "trl", "peft", "evaluate", "datasets", "matplotlib", "numpy", "PIL", "faker")


def part_of(path: Path) -> str:
    """The part of the library a file belongs to: its folder, or its own name at the top level."""
    return path.parts[0] if path.parts[0] == "metrics" else path.parts[1].removesuffix(".py")


def library() -> list[Path]:
    """Every library file except the public surface, which names all parts."""
    return [path for path in sources.python_files("crossmem_hf", "metrics") if path != Path("crossmem_hf/__init__.py")]


def test_the_walk_sees_the_library():
    """Guards the other rules: an empty walk would pass them all."""
    assert {Path("crossmem_hf/errors.py"), Path("crossmem_hf/personas/schema.py")} <= set(library())


def declared() -> set[str]:
    """Import names of what pyproject.toml lists, extras included."""
    project = tomllib.loads(sources.text(Path("pyproject.toml")))["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.match(r"[\w-]+", line)[0] for line in lines}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


def test_third_party_imports_are_declared():
    """Which part may use which of them, pyproject.toml says in its contracts, and `make check` runs those."""
    known = declared() | set(sys.stdlib_module_names) | {"crossmem_hf"} | CAME_ALONG
    found = [
        f"{path}:{line} imports {module}"
        for path in library()
        for line, module in sources.imported_modules(path)
        if module.split(".")[0] not in known and not is_neighbor(path, module)
    ]
    assert not found, f"Not among the dependencies in pyproject.toml: {found}"


def is_neighbor(path: Path, module: str) -> bool:
    """Whether a Space's page imports another file of its own flat folder."""
    return part_of(path) == "metrics" and (sources.ROOT / path).with_name(f"{module}.py").is_file()


@pytest.mark.parametrize(
    "module",
    [
        "crossmem_hf",
        "crossmem_hf.cli.app",
        "crossmem_hf.errors",
        "crossmem_hf.personas.schema",
        "crossmem_hf.prompts.questions",
    ],
)
def test_import_loads_nothing_heavy(module):
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=sources.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(sources.tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_files_and_functions_are_short():
    lengths = {path: sources.text(path).count("\n") for path in sources.python_files()}
    long = [f"{path} has {lines} lines" for path, lines in lengths.items() if lines > MAX_FILE_LINES]
    for path in sources.python_files():
        lengths = {f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1 for node in functions(path)}
        long += [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES]
    assert not long, f"Split these by concept: {long}"


def test_test_names_are_short():
    """The unit first, then what holds of it."""
    names = [
        f"{path}:{node.lineno} {node.name}"
        for path in sources.python_files("tests")
        for node in functions(path)
        if node.name.startswith("test_") and len(node.name.split("_")) - 1 > MAX_NAME_WORDS
    ]
    assert not names, f"More than {MAX_NAME_WORDS} words after 'test': {names}"


def test_no_file_has_a_vague_name():
    vague = [str(path) for path in sources.python_files() if VAGUE_NAMES & {path.stem, *path.parent.parts}]
    assert not vague, f"Name these for what they hold: {vague}"


def test_first_line_is_the_license():
    license_line = "# SPDX-License-Identifier: Apache-2.0\n"
    without = [str(path) for path in sources.python_files() if not sources.text(path).startswith(license_line)]
    assert not without, f"These must begin with {license_line!r}: {without}"


FORBIDDEN_CALLS = {
    "eval": "no code from strings",
    "exec": "no code from strings",
    "torch.load": "use safetensors",
    "numpy.load": "may unpickle; use JSON or safetensors",
    "np.load": "may unpickle; use JSON or safetensors",
    "random.seed": "draw from seeding.rng_for",
    "random.random": "draw from seeding.rng_for",
    "random.choice": "draw from seeding.rng_for",
    "random.shuffle": "draw from seeding.rng_for",
    "random.sample": "draw from seeding.rng_for",
    "np.random.seed": "pass a Generator",
    "numpy.random.seed": "pass a Generator",
    "torch.manual_seed": "use seeding.seed_everything",
}
FORBIDDEN_MODULES = {"pickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"}


def shipped() -> list[Path]:
    return sources.python_files("crossmem_hf", "metrics", "spaces", "recipes", "dataset_scripts", "benchmarks")


def test_nothing_unsafe_or_unseeded():
    found = [f"{path}:{line} {reason}" for path in shipped() for line, reason in unsafe(path)]
    assert not found, found


def unsafe(path: Path) -> Iterator[tuple[int, str]]:
    for line, module in sources.imported_modules(path):
        if module.split(".")[0] in FORBIDDEN_MODULES:
            yield line, f"imports {module}: use JSON or safetensors"
    for node in ast.walk(sources.tree(path)):
        if not isinstance(node, ast.Call):
            continue
        name = sources.dotted(node.func)
        if name in FORBIDDEN_CALLS and path.name != "seeding.py":
            yield node.lineno, f"calls {name}: {FORBIDDEN_CALLS[name]}"
        for keyword in node.keywords:
            if keyword.arg == "trust_remote_code" and not is_false(keyword.value):
                yield node.lineno, "may run code from a repository"


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_asserts_state_only_the_impossible():
    """Asserts vanish under -O, so input is never checked by one; the reason it cannot fail stands beside it."""
    found = []
    for path in shipped():
        lines = sources.text(path).splitlines()
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Call):
                found.append(f"{path}:{node.lineno}: raise the error instead")
            elif isinstance(node, ast.Assert) and node.msg is None and "  # " not in lines[node.end_lineno - 1]:
                found.append(f"{path}:{node.lineno}: say why this cannot fail")
    assert not found, found


def test_nothing_is_left_to_do():
    marks = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")
    found = [f"{path} holds {mark}" for path in shipped() for mark in marks if mark in sources.text(path)]
    assert not found, found


def test_every_library_module_has_a_test():
    """A module is tested under its own name, or serves a module of its own part that is."""
    tests = {path.stem for path in sources.python_files("tests")}
    modules = {module_name(path): path for path in library() if path.stem not in NO_LOGIC}
    covered = {name for name, path in modules.items() if f"test_{path.stem}" in tests or is_metric_file(path)}
    reached = covered
    while reached:
        reached = {
            module
            for name in reached
            for _, module in sources.imported_modules(modules[name])
            if module in modules and part_of(modules[module]) == part_of(modules[name])
        } - covered
        covered = covered | reached
    untested = sorted(str(path) for name, path in modules.items() if name not in covered)
    assert not untested, f"Each of these needs tests/<part>/test_<module>.py: {untested}"


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def is_metric_file(path: Path) -> bool:
    """Metrics are tested a folder at a time; test_repository.py demands that test."""
    return path.parts[0] == "metrics"
