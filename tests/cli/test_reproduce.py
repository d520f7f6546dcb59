# SPDX-License-Identifier: Apache-2.0
"""`crossmem reproduce` ends as it promises."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli import app as cli
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies import reproduce


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


@pytest.fixture
def reruns(monkeypatch, root):
    """Lets any study come out as the shipped record does, or with one number changed."""
    record = Record.read(root / "results/first_light")

    def arrange(change):
        m = record.one("recall", stage="memorized", source="image", target="text")
        value = m.value + change
        moved = Measurement(**m.model_dump() | {"value": value, "ci": (m.ci[0], max(m.ci[1], value))})
        again = record.model_copy(
            update={"measurements": tuple(moved if one is m else one for one in record.measurements)}
        )
        monkeypatch.setattr(reproduce, "run_study", lambda *_, **__: again)
        monkeypatch.setattr(reproduce, "data_fingerprint", lambda *_: record.fingerprints["data"])
        return str(root / "results/first_light/record.json")

    return arrange


@pytest.mark.parametrize(
    ("change", "options", "code"), [(0.0, ["--exact"], 0), (0.01, [], 0), (0.01, ["--exact"], 3), (0.5, [], 3)]
)
def test_reproduce_ends_as_it_promises(invoke, reruns, change, options, code):
    Path("out").mkdir()
    done = invoke("reproduce", reruns(change), "--output-dir", "out", *options)
    assert done.exit_code == code, done.output
    assert "measurements of" in done.output
    assert "same rows" in done.output
    assert Path("out/reproduction.json").exists()
    assert "| recall |" in Path("out/reproduction.md").read_text()


def test_reproduce_refuses_what_is_no_record(invoke, tmp_path):
    done = invoke("reproduce", "nowhere")
    assert done.exit_code == 2
    assert "no file or folder here" in done.output
    assert list(tmp_path.iterdir()) == []
