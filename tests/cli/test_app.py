# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses, calls, prints, and turns mistakes into one clear line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import crossmem_hf
from crossmem_hf.cli import app as cli


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["materialize", "--forget-fraction", "7"], "forget fraction 7"),
        (["materialize", "--image-size", "8"], "image_size=8"),
        (["materialize", "--preset", "tofu"], "Unknown preset 'tofu'"),
    ],
)
def test_mistakes_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_version_is_the_packages(invoke):
    done = invoke("--version")
    assert (done.exit_code, done.output) == (0, f"crossmem_hf {crossmem_hf.__version__}\n")


def test_materialize_takes_a_preset_and_what_replaces_it(invoke, monkeypatch):
    from crossmem_hf.data.spec import DatasetSpec
    from crossmem_hf.publishing import materialize

    queried = []
    monkeypatch.setattr(materialize, "materialize", lambda folder, spec, **_: queried.append(spec) or folder)
    assert invoke("materialize").exit_code == 0
    assert invoke("materialize", "--preset", "remem", "--num-views", "2").exit_code == 0
    assert invoke("materialize", "--single-hop-share", "0.5").exit_code == 0
    assert queried == [DatasetSpec(), DatasetSpec.remem(num_views=2), DatasetSpec(single_hop_share=0.5)]


def test_materialize_writes_into_the_folder(invoke):
    done = invoke("materialize", "here", "--num-personas", "5", "--num-views", "1", "--qa-per-persona", "2")
    assert done.exit_code == 0, done.output
    assert Path("here/crossmem/personas/README.md").exists()
    assert Path("here/crossmem/exposure/exposure.py").exists()
    assert Path("here/recipes/unlearn_npo.py").exists()
    again = invoke("materialize", "here", "--num-personas", "6")
    assert again.exit_code == 2
