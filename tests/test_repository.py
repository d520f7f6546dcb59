# SPDX-License-Identifier: Apache-2.0
"""The repository around the library: metric folders, recipes, documents, links, and paths that must not be in it."""

import ast
import re
from pathlib import Path

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


def test_metric_folders_are_whole():
    files = ("{0}.py", "README.md", "requirements.txt", "app.py")
    needed = [Path(f"metrics/{name}/{file.format(name)}") for name in METRICS for file in files]
    missing = [str(path) for path in needed if path not in sources.files()]
    assert not missing, f"A Space needs these too: {missing}"
    tests = [path.stem for path in sources.python_files("tests")]
    untested = [name for name in METRICS if not any(stem.startswith(f"test_{name}") for stem in tests)]
    assert not untested, f"These have no tests/metrics/test_<name>.py: {untested}"


def test_metric_shells_have_one_class_and_no_maths():
    maths = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
    found = []
    for path in (Path(f"metrics/{name}/{name}.py") for name in METRICS):
        classes = [node for node in sources.tree(path).body if isinstance(node, ast.ClassDef)]
        # evaluate takes the first EvaluationModule it finds, so the base must be reached as an attribute.
        bases = [[sources.dotted(parent) for parent in node.bases] for node in classes]
        assert bases in ([["evaluate.Metric"]], [["evaluate.Measurement"]]), path
        sums = (node for node in ast.walk(classes[0]) if isinstance(node, ast.BinOp) and isinstance(node.op, maths))
        found += [f"{path}:{node.lineno}" for node in sums]
    assert not found, f"Arithmetic in {found}; it belongs in the numpy module beside it"


def test_metric_shells_are_readable_by_the_module_loader():
    """evaluate finds imports by a regular expression that takes one name a line."""
    lines = [(name, line) for name in METRICS for line in sources.text(Path(f"metrics/{name}/{name}.py")).splitlines()]
    assert not [(name, line) for name, line in lines if re.match(r"import .*,|from evaluate import", line)]


def recipes() -> list[Path]:
    return [path for path in sources.files() if path.parts[0] == "recipes" and path.suffix in (".yaml", ".yml")]


def test_recipes_are_flat_mappings_without_repeats():
    """A key written twice would silently win or lose."""
    assert recipes()
    for path in recipes():
        node = yaml.compose(sources.text(path), Loader=yaml.SafeLoader)
        assert isinstance(node, yaml.MappingNode), f"{path} holds no mapping"
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{path} repeats a key"


def named_paths(path: Path) -> set[str]:
    """Repository files that a document names, in prose or in a command."""
    roots = "recipes|metrics|dataset_scripts|benchmarks|crossmem_hf|tests|docs|figures"
    return set(
        re.findall(rf"(?<![\w/.<-])((?:{roots})/[\w./-]+\.(?:py|yaml|yml|md|png|txt|json|toml))\b", sources.text(path))
    )


def test_documents_name_existing_files():
    documents = [path for path in DOCUMENTS if path.suffix in (".md", ".py", ".yaml", ".yml")]
    named = [(path, name) for path in documents for name in named_paths(path)]
    assert named
    places = {(path, name): (sources.ROOT / name, sources.ROOT / path.parent / name) for path, name in named}
    missing = [f"{path} names {name}" for (path, name), own in places.items() if not any(one.exists() for one in own)]
    assert not missing, missing


def test_documents_name_existing_commands():
    targets = set(re.findall(r"^([a-z]+):", sources.text(Path("Makefile")), flags=re.MULTILINE))
    known, unknown = commands(), []
    for path in (path for path in DOCUMENTS if path.suffix == ".md"):
        makes = set(re.findall(r"`make ([a-z]+)", sources.text(path)))
        ours = set(re.findall(r"crossmem ([a-z][a-z-]+)\b(?=[` \n])", "\n".join(code_in(path))))
        unknown += [f"{path}: make {name}" for name in sorted(makes - targets)]
        unknown += [f"{path}: crossmem {name}" for name in sorted(ours - known)]
    assert not unknown, f"Documents name commands that do not exist: {unknown}"


def code_in(path: Path) -> list[str]:
    return re.findall(r"```.*?```|`[^`\n]+`", sources.text(path), flags=re.DOTALL)


def commands() -> set[str]:
    """The names of all commands and groups of the typer application."""
    from typer.main import get_command

    from crossmem_hf.cli.app import app

    root = get_command(app)
    return set(root.list_commands(root.make_context("crossmem", [], resilient_parsing=True)))


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


def test_no_file_names_a_place_on_one_machine():
    places = re.compile(rf"(?<![\w.}}:/-])(?:{'|'.join(LOCAL_PATHS)})")
    texts = [path for path in sources.files() if path.suffix in TEXT_SUFFIXES]
    found = [f"{path} names {match[0]}" for path in texts for match in places.finditer(sources.text(path))]
    assert not found, found


def test_constraints_pin_and_point_nowhere():
    lines = [line for line in sources.text(Path("constraints.txt")).splitlines() if line and not line.startswith("#")]
    loose = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]
    assert not loose, f"constraints.txt holds more than name==version: {loose}"
    assert "torch==2.13.0" in lines
