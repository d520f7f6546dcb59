# SPDX-License-Identifier: Apache-2.0
"""Benchmarks as modules, a way to run them, and small arenas that the tests of a file share."""

import importlib
import json
import sys
from dataclasses import replace

import pytest

SMALL = ("--quick", "--repeats", "1", "--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def load(root):
    """A benchmark as a module, found as its script finds the others."""
    folder = root / "benchmarks"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def run(load, monkeypatch, tmp_path):
    """Runs a benchmark with arguments and returns what it wrote."""

    def runs(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments, "--output", str(tmp_path / "numbers.json")])
        load(name).main()
        return json.loads((tmp_path / "numbers.json").read_text())

    return runs


@pytest.fixture(scope="module")
def entered(load):
    """An arena with the settings that a benchmark makes of some options; models are made once a file."""
    made = {}

    def enters(name, *arguments):
        settings = load(name).parsed([*SMALL, *arguments])
        if settings.model not in made:
            made[settings.model] = load("contest").entered(settings)
        return replace(made[settings.model], settings=settings)

    return enters
