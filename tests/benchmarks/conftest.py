# SPDX-License-Identifier: Apache-2.0
"""Benchmarks as modules, and a way to run them."""

import importlib
import json
import sys

import pytest

MODULES = (
    "portraits",
    "scoring",
    "generation",
    "arena",
    "opponents",
    "contest",
    "unlearn_sides",
    "unlearn_step",
    "dataset",
)


@pytest.fixture
def load(root, monkeypatch):
    """A benchmark as a module, found as its script finds the others."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def run(load, monkeypatch, tmp_path):
    """Runs a benchmark with arguments and returns what it wrote."""

    def runs(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments, "--output", str(tmp_path / "numbers.json")])
        load(name).main()
        return json.loads((tmp_path / "numbers.json").read_text())

    return runs
