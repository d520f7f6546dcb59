# SPDX-License-Identifier: Apache-2.0
"""The commands pass on what they were told, and end as they promise."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli import app as cli


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["publish", "results", "."], "Could not read 'record.json'"),
        (["publish", "metrics", "--only", "bleu"], "no metric 'bleu'"),
    ],
)
def test_mistakes_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_publish_passes_on_what_was_said(invoke, monkeypatch):
    from crossmem_hf.publishing import results, spaces
    from crossmem_hf.publishing.repositories import Published

    given = {}
    done = Published(repo_id="you/x", address="https://hub/you/x", changed=True)

    def metrics(names, *, report, **rest):
        given.update(names=names, **rest)
        report(done)

    monkeypatch.setattr(spaces, "publish_metrics", metrics)
    said = invoke("publish", "metrics", "--only", "exposure, min_k_prob", "--namespace", "you", "--private")
    assert said.exit_code == 0
    assert "published  https://hub/you/x" in said.output
    assert given == {"names": ["exposure", "min_k_prob"], "namespace": "you", "private": True, "create_pr": False}

    def of_run(folder, repo_id, **rest):
        given.clear()
        given.update(folder=folder, repo_id=repo_id, **rest)
        return done

    monkeypatch.setattr(results, "publish_results", of_run)
    assert invoke("publish", "results", "run", "--repo-id", "you/x", "--create-pr", "--no-adapters").exit_code == 0
    assert given == {
        "folder": Path("run"),
        "repo_id": "you/x",
        "private": None,
        "create_pr": True,
        "with_adapters": False,
        "with_items": None,
    }
