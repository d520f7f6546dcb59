# SPDX-License-Identifier: Apache-2.0
"""Every example in a docstring is run, from an empty folder, as a reader would paste it."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests import sources

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules_with_examples() -> list[str]:
    """Dotted names of the library's modules that hold an example; a metric is reached through the library's link."""
    found = []
    for path in sources.python_files("crossmem_hf", "metrics"):
        if ">>> " in sources.text(path) and not (sources.ROOT / path).is_symlink():
            home = path if path.parts[0] == "crossmem_hf" else Path("crossmem_hf") / path
            found.append(".".join(home.with_suffix("").parts).removesuffix(".__init__"))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(name), optionflags=OPTIONS)
    assert result.attempted > 0, f"{name} holds '>>>' but no example that doctest finds"
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} failed; see the output above"
