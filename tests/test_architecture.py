# SPDX-License-Identifier: Apache-2.0
"""The shape of the library as rules: what may import what, how long things get, what must never appear."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import sources

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}

# From left to right; a part may import itself and what stands to its left.
ORDER = (
    {"errors", "seeding", "storage", "metrics"},  # metrics import nothing of ours: maths that anybody may use
    {"pictures", "pictures_colors"},
    {"uploading"},
    {"personas"},
    {"prompts"},
    {"prompts_refusals", "prompts_variants", "prompts_portraits"},
    {"rendering"},
    {"data"},
    {"importing"},
    {"models", "logprobs", "chat", "evaluation"},
    {"turns", "padding"},
    {"scoring"},
    {"training"},
    {"conformance"},
    {"report"},
    {"studies"},
    {"publishing"},
    {"cli_errors"},
    {"cli_publish", "cli_import", "cli_portraits", "cli_check"},
    {"cli", "__main__"},
)

# Third-party packages each part may use; parts not listed may use any dependency.
ALLOWED = {
    "errors": set(),
    "seeding": {"numpy", "torch"},
    "storage": set(),
    "pictures": {"PIL", "pillow_heif"},
    "pictures_colors": {"PIL", "numpy"},
    "uploading": {"huggingface_hub", "httpx2"},
    "personas": {"faker"},
    "prompts": set(),
    "prompts_portraits": set(),
    "prompts_refusals": set(),
    "prompts_variants": set(),
    "rendering": {
        "PIL",
        "numpy",
        "torch",
        "diffusers",
        "transformers",
        "safetensors",
        "huggingface_hub",
        "uniface",
        "dlib",
    },
    "data": {"datasets", "huggingface_hub", "PIL", "numpy", "pandas", "pyarrow", "yaml", "jinja2", "rich"},
    "importing": {"datasets", "huggingface_hub", "PIL", "pyarrow", "yaml", "jinja2"},
    "logprobs": {"torch"},
    "chat": {"jinja2"},
    "turns": set(),
    "padding": set(),
    "evaluation": {"torch"},
    "models": {
        "torch",
        "transformers",
        "tokenizers",
        "peft",
        "safetensors",
        "accelerate",
        "huggingface_hub",
        "PIL",
        "numpy",
        "jinja2",
    },
    "metrics": {"numpy", "scipy", "evaluate", "datasets", "gradio"},
    "report": {"matplotlib", "jinja2", "numpy", "PIL", "markupsafe", "yaml", "huggingface_hub"},
}

HEAVY = ("torch", "transformers", "trl", "peft", "evaluate", "datasets", "matplotlib", "numpy", "PIL", "faker")


def part_of(path: Path) -> str:
    """The part of the library a file belongs to: its folder, or its own name at the top level."""
    return path.parts[0] if path.parts[0] == "metrics" else path.parts[1].removesuffix(".py")


def rank(part: str) -> int:
    places = [place for place, parts in enumerate(ORDER) if part in parts]
    assert places, f"crossmem_hf/{part} has no place in ORDER; add it where its imports allow"
    return places[0]


def library() -> list[Path]:
    """Every library file except the public surface, which names all parts."""
    return [path for path in sources.python_files("crossmem_hf", "metrics") if path != Path("crossmem_hf/__init__.py")]


def ids(paths: Iterable[Path]) -> dict:
    paths = list(paths)
    return {"argvalues": paths, "ids": [str(path) for path in paths]}


def test_the_walk_sees_the_library():
    """Guards the other rules: an empty walk would pass them all."""
    assert {Path("crossmem_hf/errors.py"), Path("crossmem_hf/personas/schema.py")} <= set(library())


@pytest.mark.parametrize("path", **ids(library()))
def test_imports_point_left(path):
    for line, module in sources.imported_modules(path):
        if not module.startswith("crossmem_hf."):
            continue
        other = module.split(".")[1]
        if other == "__version__":
            continue
        assert part_of(path) != "metrics", (
            f"{path}:{line} imports {module}; a metric must run where only numpy and evaluate are"
        )
        assert rank(other) <= rank(part_of(path)), f"{path}:{line} imports {module}, which stands to its right"


def is_neighbor(path: Path, module: str) -> bool:
    """Whether a Space's page imports another file of its own flat folder."""
    return part_of(path) == "metrics" and (sources.ROOT / path).with_name(f"{module}.py").is_file()


@pytest.mark.parametrize("path", **ids(library()))
def test_third_party_imports_stay_in_their_part(path):
    allowed = ALLOWED.get(part_of(path))
    if allowed is None:
        return
    for line, module in sources.imported_modules(path):
        top = module.split(".")[0]
        known = top in sys.stdlib_module_names or top == "crossmem_hf" or top in allowed or is_neighbor(path, top)
        assert known, (
            f"{path}:{line} imports {top}; {part_of(path)} may use {sorted(allowed) or 'the standard library'}"
        )


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


@pytest.mark.parametrize("path", **ids(sources.python_files()))
def test_files_and_functions_are_short(path):
    lines = sources.text(path).count("\n")
    assert lines <= MAX_FILE_LINES, f"{path} has {lines} lines; split it by concept"
    for node in ast.walk(sources.tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_no_file_has_a_vague_name():
    vague = [str(path) for path in sources.python_files() if VAGUE_NAMES & {path.stem, *path.parent.parts}]
    assert not vague, f"Name these for what they hold: {vague}"


@pytest.mark.parametrize("path", **ids(sources.python_files()))
def test_first_line_is_the_license(path):
    assert sources.text(path).startswith("# SPDX-License-Identifier: Apache-2.0\n"), path


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


@pytest.mark.parametrize("path", **ids(shipped()))
def test_nothing_unsafe_or_unseeded(path):
    for line, module in sources.imported_modules(path):
        assert module.split(".")[0] not in FORBIDDEN_MODULES, (
            f"{path}:{line} imports {module}: use JSON or safetensors"
        )
    for node in ast.walk(sources.tree(path)):
        if not isinstance(node, ast.Call):
            continue
        name = sources.dotted(node.func)
        reason = FORBIDDEN_CALLS.get(name) if path.name != "seeding.py" else None
        assert reason is None, f"{path}:{node.lineno} calls {name}: {reason}"
        for keyword in node.keywords:
            trusts = keyword.arg == "trust_remote_code" and not is_false(keyword.value)
            assert not trusts, f"{path}:{node.lineno} may run code from a repository"


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", **ids(shipped()))
def test_asserts_state_only_the_impossible(path):
    """Asserts vanish under -O, so input is never checked by one; the reason it cannot fail stands beside it."""
    lines = sources.text(path).splitlines()
    for node in ast.walk(sources.tree(path)):
        if isinstance(node, ast.Assert):
            assert not isinstance(node.msg, ast.Call), f"{path}:{node.lineno}: raise the error instead"
            said = node.msg is not None or "  # " in lines[node.end_lineno - 1]
            assert said, f"{path}:{node.lineno}: say why this cannot fail"


@pytest.mark.parametrize("path", **ids(shipped()))
def test_nothing_is_left_to_do(path):
    marks = [mark for mark in ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error") if mark in sources.text(path)]
    assert not marks, f"{path} holds {marks}"


def test_every_library_module_has_a_test():
    """A module is tested under its own name, or serves a module of its own part that is."""
    tests = {path.stem for path in sources.python_files("tests")}
    modules = {module_name(path): path for path in library() if path.stem not in ("__init__", "app")}
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
