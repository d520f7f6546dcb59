# SPDX-License-Identifier: Apache-2.0
"""Every example in a docstring is run, from an empty folder, as a reader would paste it."""

import doctest
from importlib import import_module
from pathlib import Path

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


def test_examples(tmp_path, monkeypatch):
    failed = []
    for name in modules_with_examples():
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        result = doctest.testmod(import_module(name), optionflags=OPTIONS)
        if result.failed or not result.attempted:
            failed.append(f"{name}: {result.failed} of {result.attempted} examples failed")
    assert not failed, f"{failed}; see the output above"


def test_there_are_examples():
    """Guards the test above: an empty walk would pass it."""
    assert "crossmem_hf.personas.sampling" in modules_with_examples()
