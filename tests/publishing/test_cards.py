# SPDX-License-Identifier: Apache-2.0
"""Cards say what the record says, and how to load and repeat it."""

from dataclasses import asdict, replace

import pytest
import yaml

from crossmem_hf.publishing.adapters import adapters_of
from crossmem_hf.publishing.cards import adapter_card, results_card
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreLine, ScoreRecord

NUMBERS = {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 8, "chance": 0.1, "unit": "proportion", "higher_is": "x"}


def parts(card):
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


@pytest.fixture
def record(run_folder):
    return RunRecord.read(run_folder / "record.json")


def test_the_card_of_a_run(record, run_folder):
    adapters = adapters_of(record, run_folder)
    front, body = parts(results_card(record, "you/first-light", adapters, figures=["figures/matrix.png"]))
    assert front["library_name"] == "peft"
    assert front["license"] == "apache-2.0"
    assert front["datasets"] == ["crossmem/personas"]
    assert "base_model" not in front, "the embedded model is no repository"
    cell = record.cell("recall", "memorized", "image", "text")
    interval = f"{cell.ci_low:.3g} to {cell.ci_high:.3g}"
    assert (
        f"| recall | memorized, image to text, all, all seeds | {cell.value:.3g} | {interval} | 600 | 0.02 |" in body
    )
    assert "crossmem reproduce you/first-light" in body
    assert 'adapter="you/first-light/adapters/seed1_image/memorized"' in body
    assert f"Fingerprint of the data: `{record.data_fingerprint}`" in body
    assert "Seeds: 0, 1, 2" in body
    assert f"torch {record.versions['torch']}" in body
    assert "![The numbers below as a figure](figures/matrix.png)" in body
    assert all(note in body for note in record.notes)
    assert "| forget_beta | `0.1` |" in body
    assert "Not memorized" not in body
    code = body.split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")


def test_a_run_below_the_gate_says_so(record):
    poor = tuple(
        replace(m, value=0.1, ci_low=0.0, ci_high=0.2) if (m.metric, m.stage) == ("recall", "memorized") else m
        for m in record.measurements
    )
    assert "**Not memorized.**" in results_card(replace(record, measurements=poor), "you/x", ())


def test_a_pipe_in_a_setting_does_not_break_the_table(record):
    (row,) = [line for line in results_card(record, "you/x", ()).splitlines() if line.startswith("| lora_target")]
    assert row.count("|") - row.count("\\|") == 3


def test_a_card_without_adapters_loads_nothing(record):
    front, body = parts(results_card(record, "you/x", (), shares_items=False))
    assert "library_name" not in front
    assert "## Load" not in body
    assert "Single answers are not shared" in body


def test_the_card_of_an_adapter_has_its_own_numbers(record, run_folder):
    adapter = adapters_of(record, run_folder)[1]
    front, body = parts(adapter_card(record, "you/first-light", adapter))
    assert front["library_name"] == "peft"
    assert body.count("\n| recall | unlearned, image to") == 6
    assert "| recall | memorized, image" not in body
    for stage in ("base", "memorized"):
        where = {"source": "image", "target": "text", "group": "forget", "seed": 1}
        (cell,) = (m for m in record.find(metric="exposure", stage=stage) if where.items() <= asdict(m).items())
        row = f"| exposure | {stage}, image to text, forget, seed 1 | {cell.value:.3g} |"
        assert body.count(row) == 1, "Exposure is read against the model before learning and before unlearning"
        assert f"| {cell.n} | 24.1 |" in body
    assert "and of the memorized one" in body
    _, learned = parts(adapter_card(record, "you/first-light", adapters_of(record, run_folder)[0]))
    assert "| exposure | base, image to text, all, seed 1 |" in learned
    assert "and of the memorized one" not in learned
    assert 'adapter="you/first-light/adapters/seed1_image/unlearned"' in body


def test_exposure_on_the_card_of_a_run_stands_beside_base_and_memorized_of_the_same_people(record):
    _, body = parts(results_card(record, "you/x", ()))
    for stage in ("base", "memorized", "unlearned"):
        assert f"| exposure | {stage}, image to text, forget, all seeds |" in body


def test_an_adapter_of_a_model_from_the_hub_is_loaded_with_peft(record, run_folder):
    for config in run_folder.rglob("adapter_config.json"):
        config.write_text('{"base_model_name_or_path": "llava-hf/llava-1.5-7b-hf"}')
    adapter = adapters_of(record, run_folder)[0]
    front, body = parts(adapter_card(record, "you/x", adapter))
    assert front["base_model"] == "llava-hf/llava-1.5-7b-hf"
    assert "license" not in front, "the base model's license decides"
    assert 'PeftModel.from_pretrained(model, "you/x", subfolder="adapters/seed1_image/memorized")' in body


def test_the_card_of_a_score():
    lines = [ScoreLine(metric="exposure", group=group, **NUMBERS) for group in ("all", "hops=1", "attribute=email")]
    lines.append(ScoreLine(metric="forget_quality", group="all", **(NUMBERS | {"ci_low": None, "ci_high": None})))
    record = ScoreRecord(
        config={"model": None, "adapter": ".", "dataset": None, "config": "qa", "split": "forget"},
        versions={"torch": "2"},
        model_fingerprint="mm",
        data_fingerprint="dd",
        seeds={"personas": 0, "generation": 3},
        lines=tuple(lines),
    )
    _, body = parts(results_card(record, "you/npo", ()))
    assert "on `crossmem/personas`, config `qa`, split `forget`" in body
    assert "| exposure | hops=1 | 0.5 | 0.4 to 0.6 | 8 | 0.1 |" in body
    assert "attribute=email" not in body
    assert "| forget_quality | all | 0.5 | – | 8 |" in body
    assert "Fingerprint of the model: `mm`" in body
    assert "Seeds: personas 0, generation 3" in body
    assert "All 4 numbers are in [record.json](record.json)." in body
