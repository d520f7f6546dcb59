# SPDX-License-Identifier: Apache-2.0
"""The metrics as others meet them: loaded by evaluate, and copied out of the repository as Spaces."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

NAMES = sorted(path.name for path in (Path(__file__).parents[2] / "metrics").iterdir() if (path / "app.py").is_file())
PAGES = [name for name in NAMES if (Path(__file__).parents[2] / "metrics" / name / "look.py").exists()]
"""Those with a page of their own; the others have evaluate's widget."""


@pytest.fixture(scope="session")
def evaluate() -> ModuleType:
    """The evaluate library, imported once; offline and with a fresh home, as the root conftest has set."""
    return importlib.import_module("evaluate")


@pytest.fixture(scope="session")
def spaces(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder in which crossmem/<name> are the metrics as published: links resolved, nothing else around."""
    home = tmp_path_factory.mktemp("spaces")
    for name in NAMES:
        space = home / "crossmem" / name
        shutil.copytree(root / "metrics" / name, space, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
        with (space / f"{name}.py").open("a", encoding="utf-8") as script:
            script.write("# published\n")  # other bytes, so that evaluate imports it afresh
    return home


@pytest.fixture(scope="session")
def app(spaces: Path):
    """Imports the app of a copied Space."""

    def imported(name: str) -> ModuleType:
        folder = spaces / "crossmem" / name
        spec = importlib.util.spec_from_file_location(f"app_of_{name}", folder / "app.py")
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(folder))  # where Python looks when it runs app.py itself
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(folder))
        return module

    return imported
