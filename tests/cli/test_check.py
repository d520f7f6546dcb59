# SPDX-License-Identifier: Apache-2.0
"""`crossmem check-model`, from its options to its table, its JSON and its exit code."""

import copy
import json

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli.app import app
from crossmem_hf.conformance.report import Finding, ModelReport
from tests.scoring.families import families

GOOD = Finding(check="likelihoods", status="holds", found="3.0e-06 nats a token", value=3e-6)
SLOW = Finding(check="shared cache", status="falls back", found="whole", remedy="Nothing.")
BAD = Finding(check="labels", status="fails", found="2 of 6 [rows]", value=2.0, remedy="Mend it.")


@pytest.mark.parametrize(("findings", "code"), [((GOOD, SLOW), 0), ((GOOD, BAD), 1)])
def test_a_table_or_json_and_an_exit_code(findings, code, monkeypatch):
    seen = []
    monkeypatch.setattr("crossmem_hf.models.loading.load_model", lambda name, **o: seen.append((name, o)) or "mp")
    monkeypatch.setattr(
        "crossmem_hf.conformance.check.check_model", lambda *given: ModelReport("Llava, float32", findings)
    )
    words = ["check-model", "some/model", "--adapter", "a/b", "--dtype", "bfloat16", "--device", "cpu"]
    table = CliRunner().invoke(app, words)
    assert table.exit_code == code, table.output
    for finding in findings:
        assert finding.check in table.output
        assert finding.status in table.output
        assert finding.found in table.output
        assert finding.remedy in table.output
    assert seen == [("some/model", {"adapter": "a/b", "dtype": "bfloat16", "device": "cpu"})]
    reported = CliRunner().invoke(app, [*words, "--json"])
    assert reported.exit_code == code
    report = json.loads(reported.stdout)
    assert report == {"model": "Llava, float32", "holds": code == 0, "findings": report["findings"]}
    assert [one["check"] for one in report["findings"]] == [finding.check for finding in findings]
    assert [one["value"] for one in report["findings"]] == [finding.value for finding in findings]


def test_the_command_ends_with_1_if_anything_fails(tmp_path):
    family = families()["llava_clip"]
    family.model().save_pretrained(tmp_path)
    processor = copy.copy(family.processor)
    processor.chat_template = processor.chat_template.replace("'ASSISTANT:'", "'Now you:'")
    processor.save_pretrained(tmp_path)
    done = CliRunner().invoke(app, ["check-model", str(tmp_path)])
    assert done.exit_code == 1
    assert "fails" in done.output
    done = CliRunner().invoke(app, ["check-model", str(tmp_path / "nothing")])
    assert done.exit_code != 0
    assert "There is no model" in done.output
