# SPDX-License-Identifier: Apache-2.0
"""Whatever locks, pools, retries or draws bars is in crossmem_hf/runs/, and nowhere else."""

import ast

import pytest

from tests import sources

RUNS = ("crossmem_hf", "runs")
MECHANISMS = {"filelock", "tenacity", "rich.progress", "concurrent.futures.process", "multiprocessing.managers"}
NAMES = {
    "FileLock",
    "SoftFileLock",
    "ProcessPoolExecutor",
    "SyncManager",
    "Pool",
    "parent_process",
    "Retrying",
    "tqdm",
}


def mechanisms(text):
    """What a module imports of such things, or calls by a dotted name."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & (MECHANISMS | {"tqdm"})
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} & MECHANISMS | {alias.name for alias in node.names} & NAMES
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & MECHANISMS
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {node.attr} & NAMES | {f"{node.value.id}.{node.attr}"} & {"time.sleep"}
    return found


@pytest.mark.parametrize(
    "text",
    [
        "from filelock import FileLock",
        "def later():\n    from rich.progress import Progress",
        "from rich import progress",
        "import tenacity",
        "import concurrent.futures as c\nc.ProcessPoolExecutor(2)",
        "from multiprocessing import get_context, Pool",
        "import time\ntime.sleep(1)",
        "from tqdm.auto import tqdm",
    ],
)
def test_a_planted_mechanism_is_found(text):
    assert mechanisms(text)


def test_mechanisms_are_in_runs_alone():
    library = [path for path in sources.python_files("crossmem_hf", "recipes", "metrics") if path.parts[:2] != RUNS]
    found = {str(path): used for path in library if (used := mechanisms(sources.text(path)))}
    assert len(library) > 200
    assert not found, f"Use crossmem_hf/runs/ for these: {found}"
    runs = [path for path in sources.python_files("crossmem_hf") if path.parts[:2] == RUNS]
    assert {"filelock", "tenacity", "rich.progress"} <= set().union(*(mechanisms(sources.text(path)) for path in runs))
