# SPDX-License-Identifier: Apache-2.0
"""A stage's key changes with the code that it runs, and with no other code."""

import functools
import json
import shutil
import sys
from types import ModuleType

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs import sources
from crossmem_hf.runs.sources import PACKAGE, closure, code_fingerprint, environment, library_versions
from crossmem_hf.storage import write_atomic

STAGES = {
    "memorize": ("crossmem_hf.training.memorize",),
    "unlearn": ("crossmem_hf.training.unlearn",),
    "score": ("crossmem_hf.evaluation.passes",),
    "rows": ("crossmem_hf.data.contents",),
    "adapters of studies": ("crossmem_hf.studies.adapters",),
    "predictions of studies": ("crossmem_hf.studies.cells",),
    "micro model": ("crossmem_hf.models.micro.pretraining",),
}
SHOWING = {"cli", "publishing", "conformance", "importing"}  # how results are shown and sent changes none


@pytest.fixture
def package(tmp_path):
    """A copy of the package, metrics included, that may be edited."""
    root = tmp_path / "crossmem_hf"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors", "*.ttf"))
    return root


def keys(root):
    sources._code_fingerprint.cache_clear()
    found = {stage: code_fingerprint(*modules, root=root) for stage, modules in STAGES.items()}
    sources._code_fingerprint.cache_clear()
    return found


def written(root, files):
    """A small package of modules."""
    for name, text in files.items():
        write_atomic(root / f"{name}.py", text)
    return root


def names(root, *modules):
    return {path.relative_to(root).as_posix() for path in closure(*modules, root=root)}


def edit(path):
    path.write_text(path.read_text() + "# edited\n")


def test_a_copy_has_the_keys_of_the_package(package):
    assert keys(package) == keys(PACKAGE)


def test_a_new_module_that_a_stage_imports_changes_its_key(package):
    before = keys(package)
    probes = package / "analysis" / "probes.py"
    probes.write_text("LAYERS = 1\n")
    assert keys(package) == before, "no stage imports it yet"
    losses = package / "training" / "losses.py"
    losses.write_text(losses.read_text() + "\n\ndef _probed():\n    from crossmem_hf.analysis.probes import LAYERS\n")
    imported = keys(package)
    probes.write_text("LAYERS = 2\n")
    edited = keys(package)
    trained = {"memorize", "unlearn", "adapters of studies", "predictions of studies"}
    assert {stage for stage in before if edited[stage] != imported[stage]} == trained
    assert {stage for stage in before if imported[stage] != before[stage]} == trained


def test_code_that_no_stage_imports_changes_no_key(package):
    """An SVG helper, figures, a public name, a judge and its retry policy."""
    before = keys(package)
    for file in ("metrics/drawing.py", "report/figures.py", "__init__.py", "scoring/judge.py"):
        edit(package / file)
    for file in (package / "scoring").glob("judge*"):
        edit(file)
    assert keys(package) == before


def test_a_rendering_module_changes_the_keys_of_what_draws(package):
    before = keys(package)
    edit(package / "rendering" / "hair.py")
    after = keys(package)
    assert {stage for stage in before if after[stage] == before[stage]} == {"memorize", "unlearn", "score"}


def test_no_stage_depends_on_how_results_are_shown():
    for stage, modules in STAGES.items():
        parts = {path.relative_to(PACKAGE).parts for path in closure(*modules)}
        assert not {part for part in parts if part[0] in SHOWING}, stage
        assert {part[1] for part in parts if part[0] == "report"} <= {"__init__.py", "record.py", "stored.py"}, stage


def test_closure_follows_every_way_to_import(tmp_path):
    files = {
        "a": "import lib.b\nfrom lib import c\nfrom lib.d import name\nfrom lib.pack import e\nimport json\n",
        "b": "def later():\n    from lib import f as g\n",
        "c": "from lib.a import x  # a circle\n",
        "d": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lib.unseen\nelse:\n    import lib.h\n",
        "pack/__init__": "from .inner import y\n",
        "pack/e": "from . import inner\nfrom .. import i\n",
        "pack/inner": "y = 1\n",
        "f": "try:\n    import lib.k\nexcept ImportError:\n    import lib.m\n",
    }
    files |= dict.fromkeys(("__init__", "h", "i", "k", "m", "unseen"), "")
    assert names(written(tmp_path / "lib", files), "lib.a") == {f"{name}.py" for name in files} - {"unseen.py"}


def test_closure_follows_what_a_registry_names(tmp_path):
    places = (
        "{'one': 'lib.b:ONE', 'two': \"lib.pack.c:TWO\", 'others': 'json:loads', 'none': 'lib.d', 'x': 'of lib.d:e'}"
    )
    files = {"a": f"THINGS = Registry('thing', {places})", **dict.fromkeys(("b", "pack/__init__", "pack/c", "d"), "")}
    found = names(written(tmp_path / "lib", files), "lib.a")
    assert found == {"a.py", "b.py", "pack/__init__.py", "pack/c.py"}


def test_closure_looks_through_a_lazy_package(tmp_path):
    lazy = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lib.a import one\n    from lib.b import two\n"
    )
    files = {
        "__init__": f"{lazy}def __getattr__(name): ...\n",
        "a": "",
        "b": "",
        "user": "from lib import one as it\n",
    }
    files |= {"everything": "import lib\n", "plain": "import lib.a\n", "outside": "from lib import three\n"}
    root = written(tmp_path / "lib", files)
    assert names(root, "lib.user") == {"user.py", "a.py"}
    assert names(root, "lib.everything") == {"everything.py", "a.py", "b.py"}
    assert names(root, "lib.plain") == {"plain.py", "a.py"}
    assert names(root, "lib.outside") == {"outside.py"}


def test_starts_may_be_functions_classes_modules_and_partials():
    by_name = code_fingerprint("crossmem_hf.storage")
    import crossmem_hf.storage as module

    assert {code_fingerprint(start) for start in (write_atomic, module, functools.partial(write_atomic, "x"))} == {
        by_name
    }
    assert code_fingerprint(CrossmemError) != by_name
    assert code_fingerprint(CrossmemError, write_atomic) == by_name


def test_code_of_others_counts_with_what_it_imports_here(tmp_path, monkeypatch):
    theirs = ModuleType("their_study")
    theirs.__file__ = str(tmp_path / "their_study.py")
    (tmp_path / "their_study.py").write_text("from crossmem_hf import CrossmemError\n")
    monkeypatch.setitem(sys.modules, "their_study", theirs)
    assert {path.name for path in closure(theirs)} == {"their_study.py", "errors.py"}
    before = code_fingerprint(theirs)
    edit(tmp_path / "their_study.py")
    sources._code_fingerprint.cache_clear()
    assert code_fingerprint(theirs) != before


def test_code_in_no_file_is_an_error():
    with pytest.raises(CrossmemError, match="'typed_in' is in no file"):
        closure(ModuleType("typed_in"))
    with pytest.raises(CrossmemError, match=r"'crossmem_hf\.nothing' is in no file"):
        code_fingerprint("crossmem_hf.nothing")


def test_a_renamed_file_changes_the_key(tmp_path):
    root = written(tmp_path / "lib", {"__init__": "", "a": "x = 1\n", "b": "x = 1\n"})
    assert code_fingerprint("lib.a", root=root) != code_fingerprint("lib.b", root=root)


def test_versions_are_those_installed():
    assert library_versions(("torch",)) == {"torch": __import__("importlib.metadata").metadata.version("torch")}
    assert library_versions().items() <= environment().items()
    assert json.loads(json.dumps(environment())) == environment()
