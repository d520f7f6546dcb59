# SPDX-License-Identifier: Apache-2.0
"""Every metric from its Space, by people who have evaluate and numpy, scipy where a Space asks for it, and not us."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.sources import ROOT

pytestmark = [pytest.mark.hub, pytest.mark.slow]

METRICS = sorted(path.parent.name for path in (ROOT / "metrics").glob("*/requirements.txt"))
NEEDS_SCIPY = [name for name in METRICS if "scipy" in (ROOT / "metrics" / name / "requirements.txt").read_text()]
USED = """
import importlib.util, json
import evaluate

absent = [name for name in ("torch", "scipy", "crossmem_hf", "sklearn") if importlib.util.find_spec(name) is None]
exposure = evaluate.load("crossmem/exposure")
ranked = exposure.compute(predictions=[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], references=[0, 0])
recall = evaluate.load("crossmem/cross_modal_recall")
recalled = recall.compute(
    predictions=["Ada Lint", "Bo Reed", "Ada Lint", "nobody"],
    references=["Ada Lint", "Bo Reed", "Ada Lint", "Bo Reed"],
    source=["image"] * 4, target=["image", "image", "text", "text"], persona_id=["a", "b", "a", "b"],
)
print(json.dumps({"absent": absent, "exposure": ranked, "recall": recalled}))
"""
LOADED = """
import json
import evaluate

print(json.dumps({name: sorted(evaluate.load(f"crossmem/{name}").features) for name in NAMES}))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment that holds evaluate and numpy and what they need; scipy comes later."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install(python, "evaluate>=0.4.6,<0.5", "numpy>=2,<3")
    return python


def install(python, *packages):
    command = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *packages]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 and "No matching distribution" in done.stderr:
        pytest.skip(f"no package index in reach: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr


def fill(hub, name):
    """A Space that holds a metric's folder."""
    space = hub.store.create("space", f"crossmem/{name}", sdk="gradio")
    files = (path for path in (ROOT / "metrics" / name).iterdir() if path.is_file() and path.name != "__init__.py")
    hub.store.commit(space, "main", changed={path.name: hub.store.file(path.read_bytes()) for path in files})


def say(clients, python: Path, code: str):
    done = clients.run(str(python), "-c", code, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_metrics_need_no_more_than_evaluate_and_numpy(hub, clients, bare):
    for name in ("exposure", "cross_modal_recall"):
        fill(hub, name)
    said = clients.read(say(clients, bare, USED))
    assert said["absent"] == ["torch", "scipy", "crossmem_hf", "sklearn"]
    here = clients.read(clients.run(sys.executable, "-c", USED).stdout)
    assert said["exposure"] == here["exposure"]
    assert said["recall"] == here["recall"]
    assert hub.count("resolve", method="GET", about="spaces/crossmem/exposure/resolve/main/exposure.py") > 0


def test_every_metric_loads_with_what_its_space_asks_for(hub, clients, bare):
    assert NEEDS_SCIPY
    install(bare, "scipy>=1.14,<2")
    for name in METRICS:
        fill(hub, name)
    features = clients.read(say(clients, bare, LOADED.replace("NAMES", repr(METRICS))))
    assert sorted(features) == METRICS
    assert all(features.values())
