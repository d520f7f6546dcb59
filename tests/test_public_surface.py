# SPDX-License-Identifier: Apache-2.0
"""What users may rely on, as snapshots: a change here is a change for them and belongs in CHANGELOG.md."""

import ast
from pathlib import Path

import pytest

import crossmem_hf
from tests import sources

SURFACE = Path("crossmem_hf/__init__.py")
PUBLIC_NAMES = [
    "CrossModalEvaluator",
    "CrossmemError",
    "PersonaDataset",
    "Record",
    "Study",
    "UnlearnConfig",
    "UnlearnTrainer",
    "check_model",
    "generate_answers",
    "load_model",
    "load_rows",
    "memorize",
    "score_answers",
    "score_candidates",
]
MAX_OWN_FIELDS = 14


def homes() -> dict[str, str]:
    return sources.literal(SURFACE, "_HOMES")


def test_public_names():
    assert crossmem_hf.__all__ == PUBLIC_NAMES
    assert list(homes()) == PUBLIC_NAMES
    assert dir(crossmem_hf) == sorted([*PUBLIC_NAMES, "__version__"])


def test_type_checkers_see_the_same_names():
    imported = {
        alias.name: node.module
        for guard in sources.tree(SURFACE).body
        if isinstance(guard, ast.If)
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == homes()


@pytest.mark.parametrize("name", sorted(homes()))
def test_each_name_is_defined_where_the_table_says(name):
    path = Path(homes()[name].replace(".", "/") + ".py")
    assert (sources.ROOT / path).is_file(), f"{name} is promised from {path}, which does not exist"
    defined = {node.name for node in sources.tree(path).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert name in defined, f"{path} defines no {name}"


def test_names_resolve_once_and_unknown_ones_are_explained():
    assert crossmem_hf.Record is crossmem_hf.Record
    assert vars(crossmem_hf)["Record"].__module__ == "crossmem_hf.report.record"
    with pytest.raises(AttributeError, match="no attribute 'Records'; public names: CrossModalEvaluator"):
        _ = crossmem_hf.Records


@pytest.fixture(scope="module")
def make_api():
    return sources.script("docs/make_api.py")


def test_api_page_is_current_and_names_everything(make_api):
    page = make_api.api_page()
    assert make_api.PAGE.read_text() == page, "run python docs/make_api.py"
    assert [line[3:] for line in page.splitlines() if line.startswith("## ") and line[3:] in PUBLIC_NAMES] == sorted(
        PUBLIC_NAMES, key=str.lower
    )


def test_version_is_written_alike_everywhere():
    for path, line in (
        ("pyproject.toml", f'version = "{crossmem_hf.__version__}"'),
        ("CITATION.cff", f"version: {crossmem_hf.__version__}"),
    ):
        assert line in sources.text(Path(path)).splitlines(), path


def option_classes() -> list[tuple[Path, ast.ClassDef]]:
    """Dataclasses whose fields become command-line options and YAML keys."""
    found = []
    for path in sources.python_files("crossmem_hf", "recipes"):
        if path.parts[0] == "recipes" or path == Path("crossmem_hf/training/config.py"):
            found += [
                (path, node)
                for node in sources.tree(path).body
                if isinstance(node, ast.ClassDef) and is_dataclass(node)
            ]
    return found


def is_dataclass(node: ast.ClassDef) -> bool:
    names = [sources.dotted(mark.func if isinstance(mark, ast.Call) else mark) for mark in node.decorator_list]
    return any(name in ("dataclass", "dataclasses.dataclass") for name in names)


def test_every_option_explains_itself():
    for path, node in option_classes():
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and not is_class_variable(item)]
        assert len(fields) <= MAX_OWN_FIELDS, f"{path} {node.name} has {len(fields)} fields of its own"
        for field in fields:
            assert has_help(field.value), f"{path}:{field.lineno} {node.name}.{field.target.id} has no help text"


def is_class_variable(field: ast.AnnAssign) -> bool:
    return "ClassVar" in ast.unparse(field.annotation)


def has_help(value: ast.expr | None) -> bool:
    """Whether a field's default is a call with help: ``field(metadata={"help": ...})`` or ``arg(default, help)``."""
    if not isinstance(value, ast.Call):
        return False
    texts = [keyword.value for keyword in value.keywords if keyword.arg == "help"]
    for keyword in value.keywords:
        if keyword.arg == "metadata" and isinstance(keyword.value, ast.Dict):
            texts += [
                item
                for key, item in zip(keyword.value.keys, keyword.value.values, strict=True)
                if isinstance(key, ast.Constant) and key.value == "help"
            ]
    if sources.dotted(value.func) in ("arg", "_arg", "option", "_option"):
        texts += value.args[1:]
    return any(not (isinstance(item, ast.Constant) and item.value == "") for item in texts)


def test_the_help_rule_can_fail():
    """Guards the rule above: it must tell a documented field from a bare one."""
    documented, bare = ast.parse('field(default=1, metadata={"help": "x"})\nfield(default=1)').body
    assert has_help(documented.value)
    assert not has_help(bare.value)
