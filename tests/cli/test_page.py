# SPDX-License-Identifier: Apache-2.0
"""`crossmem page` draws a record that somebody else has run."""

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli.app import app
from crossmem_hf.report.record import Record
from crossmem_hf.report.text import markdown


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["page", *words])


def test_a_shipped_record_gets_its_page_and_tables_for_a_paper(invoke, root, tmp_path):
    done = invoke(str(root / "results/first_light"), "--latex")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "crossmem_runs/page-first_light"
    assert (folder / "report.md").read_text() == markdown(Record.read(root / "results/first_light"))
    assert "<html" in (folder / "report.html").read_text()
    assert "tabular" in (folder / "report.tex").read_text()
    assert [*(folder / "figures").glob("*.png")]


def test_what_is_no_record_is_refused_before_anything_is_written(invoke, tmp_path):
    done = invoke("nothing.json")
    assert done.exit_code == 2
    assert "no file or folder here" in " ".join(done.output.split())
    assert not (tmp_path / "crossmem_runs").exists()
