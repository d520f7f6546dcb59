# SPDX-License-Identifier: Apache-2.0
"""The notebook is that of its script, small, of no machine, and runs."""

import json

import pytest

from tests import sources

MAX_BYTES = 300_000


@pytest.fixture(scope="module")
def make_tour():
    return sources.script("docs/make_tour.py")


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_notebook_is_that_of_its_script_with_outputs(make_tour):
    text = make_tour.NOTEBOOK.read_text(encoding="utf-8")
    shipped, made = json.loads(text), make_tour.notebook()
    assert ["".join(cell["source"]) for cell in shipped["cells"]] == make_tour.CELLS
    assert [cell["cell_type"] for cell in shipped["cells"]] == [cell.cell_type for cell in made.cells]
    assert len(code(shipped)) >= 7
    printing = [cell for cell in code(shipped) if cell["outputs"]]
    assert len(printing) >= len(code(shipped)) - 1, "run python docs/make_tour.py"
    assert not [cell for cell in code(shipped) for one in cell["outputs"] if one["output_type"] == "error"]
    assert len(text) < MAX_BYTES


@pytest.mark.slow
def test_notebook_runs(make_tour, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(sources.ROOT))
    printed = [str(cell["outputs"]) for cell in code(make_tour.executed(tmp_path))]
    assert "recall" in " ".join(printed)
    assert "report.html" in " ".join(printed)
