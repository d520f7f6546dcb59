# SPDX-License-Identifier: Apache-2.0
"""The inline metadata (PEP 723) by which `uv run` and `hf jobs uv run` install what a recipe needs."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests import sources

PROJECT = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())["project"]
RECIPES = sources.python_files("recipes")
BLOCK = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"  # PEP 723's own expression


def header(text):
    (block,) = [found for found in re.finditer(BLOCK, text) if found.group("type") == "script"]
    return tomllib.loads(
        "".join(line.removeprefix("#").lstrip(" ") for line in block.group("content").splitlines(True))
    )


def names(requirements):
    return {canonicalize_name(Requirement(one).name) for one in requirements}


def missing(path, text):
    """What the recipe imports and its header would not install."""
    (own,) = [Requirement(one) for one in header(text)["dependencies"]]
    extras = PROJECT["optional-dependencies"]
    installed = names(PROJECT["dependencies"]).union(*(names(extras[extra]) for extra in own.extras))
    found = packages_distributions()
    tops = {module.split(".")[0] for _, module in sources.imported_modules(path)} - {"crossmem_hf"}
    return {
        top
        for top in tops - sys.stdlib_module_names
        if not installed & {canonicalize_name(name) for name in found.get(top, [])}
    }


def test_there_are_recipes():
    assert len(RECIPES) >= 5


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_header_is_this_release_and_its_python(path):
    """A recipe calls the package's own modules, so it needs the release that it came with."""
    found = header(sources.text(path))
    assert found.keys() == {"requires-python", "dependencies"}
    assert SpecifierSet(found["requires-python"]) == SpecifierSet(PROJECT["requires-python"])
    (own,) = map(Requirement, found["dependencies"])
    assert canonicalize_name(own.name) == canonicalize_name(PROJECT["name"])
    assert own.specifier == SpecifierSet(f"=={PROJECT['version']}")
    assert own.extras <= PROJECT["optional-dependencies"].keys()
    assert missing(path, sources.text(path)) == set()


def test_import_that_no_dependency_brings_is_found(monkeypatch):
    monkeypatch.setattr(sources, "imported_modules", lambda path: [(1, "torch.nn"), (2, "pytest")])
    assert missing(RECIPES[0], sources.text(RECIPES[0])) == {"pytest"}
