# SPDX-License-Identifier: Apache-2.0
"""The repository around the library: metric folders, recipes, documents, links, and paths that must not be in it."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from tests import sources

METRICS = sorted({path.parts[1] for path in sources.files() if path.parts[0] == "metrics" and len(path.parts) > 2})
DOCUMENTS = [
    path
    for path in sources.files()
    if path.suffix == ".md" or path.parts[0] in ("recipes", "benchmarks", "dataset_scripts", "spaces")
]
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".j2", ".cff", ".jinja", ".css", ".html", ""}
# Spelled in pieces, so that this file passes its own rule.
LOCAL_PATHS = [f"/{name}/" for name in ("work", "tmp", "root", "home", "Users", "mnt")]


def test_there_are_metrics():
    assert {"cross_modal_recall", "exposure"} <= set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_metric_folder_is_whole(name):
    needed = [f"metrics/{name}/{file}" for file in (f"{name}.py", "README.md", "requirements.txt", "app.py")]
    missing = [path for path in needed if Path(path) not in sources.files()]
    assert not missing, f"A Space needs these too: {missing}"
    tests = [path for path in sources.python_files("tests") if path.stem.startswith(f"test_{name}")]
    assert tests, f"metrics/{name} has no tests/metrics/test_{name}.py"


@pytest.mark.parametrize("name", METRICS)
def test_metric_shell_has_one_class_and_no_maths(name):
    path = Path(f"metrics/{name}/{name}.py")
    classes = [node for node in sources.tree(path).body if isinstance(node, ast.ClassDef)]
    # evaluate takes the first EvaluationModule it finds, so the base must be reached as an attribute.
    assert [[sources.dotted(parent) for parent in node.bases] for node in classes] == [["evaluate.Metric"]]
    maths = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
    found = [
        node.lineno for node in ast.walk(classes[0]) if isinstance(node, ast.BinOp) and isinstance(node.op, maths)
    ]
    assert not found, f"{path}: arithmetic in lines {found}; it belongs in the numpy module beside it"


@pytest.mark.parametrize("name", METRICS)
def test_metric_shell_is_readable_by_the_module_loader(name):
    """evaluate finds imports by a regular expression that takes one name a line."""
    lines = sources.text(Path(f"metrics/{name}/{name}.py")).splitlines()
    assert not [line for line in lines if re.match(r"import .*,", line)]
    assert not [line for line in lines if re.match(r"from evaluate import", line)]


def recipes() -> list[Path]:
    return [path for path in sources.files() if path.parts[0] == "recipes" and path.suffix in (".yaml", ".yml")]


@pytest.mark.parametrize("path", recipes(), ids=str)
def test_recipe_is_a_flat_mapping_without_repeats(path):
    """A key written twice would silently win or lose."""
    node = yaml.compose(sources.text(path), Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode), f"{path} holds no mapping"
    keys = [key.value for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"{path} repeats a key"
    assert isinstance(yaml.safe_load(sources.text(path)), dict)


def named_paths(path: Path) -> set[str]:
    """Repository files that a document names, in prose or in a command."""
    roots = "recipes|metrics|dataset_scripts|benchmarks|crossmem_hf|tests|docs|figures"
    return set(
        re.findall(rf"(?<![\w/.<-])((?:{roots})/[\w./-]+\.(?:py|yaml|yml|md|png|txt|json|toml))\b", sources.text(path))
    )


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.suffix in (".md", ".py", ".yaml", ".yml")], ids=str
)
def test_documents_name_existing_files(path):
    missing = sorted(name for name in named_paths(path) if not (sources.ROOT / name).exists())
    assert not missing, f"{path} names {missing}"


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.suffix == ".md"], ids=str)
def test_documents_name_existing_commands(path):
    targets = set(re.findall(r"^([a-z]+):", sources.text(Path("Makefile")), flags=re.MULTILINE))
    unknown = set(re.findall(r"`make ([a-z]+)", sources.text(path))) - targets
    assert not unknown, f"{path} names make targets that do not exist: {sorted(unknown)}"
    unknown = set(re.findall(r"crossmem ([a-z][a-z-]+)\b(?=[` \n])", "\n".join(code_in(path)))) - commands()
    assert not unknown, f"{path} names crossmem commands that do not exist: {sorted(unknown)}"


def code_in(path: Path) -> list[str]:
    return re.findall(r"```.*?```|`[^`\n]+`", sources.text(path), flags=re.DOTALL)


def commands() -> set[str]:
    """The command names of the typer application, read without importing it."""
    found = set()
    for node in ast.walk(sources.tree(Path("crossmem_hf/cli/app.py"))):
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and sources.dotted(mark.func) == "app.command":
                    given = [item.value for item in mark.args if isinstance(item, ast.Constant)]
                    found.add(given[0] if given else node.name.replace("_", "-"))
        elif isinstance(node, ast.Call) and isinstance(
            node.func, ast.Call
        ):  # app.command()(function of a module beside)
            if sources.dotted(node.func.func) == "app.command":
                given = [item.value for item in node.func.args if isinstance(item, ast.Constant)]
                found.add(given[0] if given else sources.dotted(node.args[0]).replace("_", "-"))
        elif isinstance(node, ast.Call) and sources.dotted(node.func) == "app.add_typer":
            found |= {item.value.value for item in node.keywords if item.arg == "name"}
    return found


def test_the_two_commands_exist():
    makefile = sources.text(Path("Makefile"))
    assert all(f"\n{target}:" in makefile for target in ("help", "install", "run", "test", "check"))
    script = sources.text(Path(".ci/run"))
    assert "make test" in script
    assert "make check" in script


def test_links_resolve():
    links = [path for path in sources.ROOT.iterdir() if path.is_symlink()]
    links += [
        path
        for folder in ("crossmem_hf", "metrics", "spaces", "recipes", "tests")
        for path in (sources.ROOT / folder).rglob("*")
        if path.is_symlink()
    ]
    assert sources.ROOT / "crossmem_hf/metrics" in links
    for link in links:
        assert link.exists(), f"{link} points nowhere"
        assert link.resolve().is_relative_to(sources.ROOT), f"{link} leaves the repository"
        assert not link.readlink().is_absolute(), f"{link} is absolute"


@pytest.mark.parametrize("path", [path for path in sources.files() if path.suffix in TEXT_SUFFIXES], ids=str)
def test_no_file_names_a_place_on_one_machine(path):
    found = [place for place in LOCAL_PATHS if re.search(rf"(?<![\w.}}:/-]){place}", sources.text(path))]
    assert not found, f"{path} names {found}"


def test_constraints_pin_and_point_nowhere():
    lines = [line for line in sources.text(Path("constraints.txt")).splitlines() if line and not line.startswith("#")]
    loose = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]
    assert not loose, f"constraints.txt holds more than name==version: {loose}"
    assert "torch==2.13.0" in lines
