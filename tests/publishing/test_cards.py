# SPDX-License-Identifier: Apache-2.0
"""Cards say what the record says, and how to load and repeat it."""

import pytest
import yaml

from crossmem_hf.publishing.adapters import adapters_of
from crossmem_hf.publishing.cards import adapter_card, results_card
from crossmem_hf.report.record import Measurement, Record, Verdict
from crossmem_hf.report.tables import measurement_table
from tests.publishing.conftest import measured, record_of


def parts(card):
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


@pytest.fixture
def record(run_folder):
    return Record.read(run_folder)


def test_the_card_of_a_run(record, run_folder):
    adapters = adapters_of(record, run_folder)
    front, body = parts(results_card(record, "you/first-light", adapters, figures=["figures/matrix.png"]))
    assert front["library_name"] == "peft"
    assert front["license"] == "apache-2.0"
    assert front["datasets"] == ["crossmem/personas"]
    assert "base_model" not in front, "the embedded model is no repository"
    cell = record.one("recall", stage="memorized", source="image", target="text")
    interval = f"{cell.ci[0]:.3g} to {cell.ci[1]:.3g}"
    assert f"| recall | memorized | image | text | all | all | {cell.value:.3g} | {interval} | 1000 | 0.02 |" in body
    assert "| name_shaped |" not in body, "a card has no room for all of them"
    assert "crossmem reproduce you/first-light" in body
    assert 'adapter="you/first-light/adapters/memorized_image_seed1"' in body
    assert f"Fingerprint of the data: `{record.fingerprints['data']}`" in body
    assert "Seeds: 0, 1, 2, 3, 4" in body
    assert f"torch {record.versions['torch']}" in body
    assert "![The numbers below as a figure](figures/matrix.png)" in body
    assert all(note in body for note in record.notes)
    assert "| forget_beta | `0.1` |" in body
    assert "Not memorized" not in body
    code = body.split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")


def test_unmemorized_personas_are_named(record):
    poor = tuple(
        Measurement(**m.model_dump() | {"value": 0.1, "ci": (0.0, 0.2)})
        if (m.metric, m.where["stage"]) == ("recall", "memorized")
        else m
        for m in record.measurements
    )
    poor = record.model_copy(update={"measurements": poor})
    assert "**Not memorized.**" in results_card(poor, "you/x", ())
    allowed = poor.model_copy(update={"config": record.config | {"allow_unmemorized": True}})
    assert "**Not memorized.**" not in results_card(allowed, "you/x", ())


def test_a_pipe_in_a_setting_does_not_break_the_table(record):
    (row,) = [line for line in results_card(record, "you/x", ()).splitlines() if line.startswith("| lora_target")]
    assert row.count("|") - row.count("\\|") == 3


def test_a_card_without_adapters_loads_nothing(record):
    front, body = parts(results_card(record, "you/x", (), shares_items=False))
    assert "library_name" not in front
    assert "## Load" not in body
    assert "Single answers are not shared" in body


def test_the_card_of_an_adapter_has_its_own_numbers(record, run_folder):
    learned, unlearned = adapters_of(record, run_folder)
    front, body = parts(adapter_card(record, "you/first-light", unlearned))
    assert front["library_name"] == "peft"
    assert body.count("\n| recall | unlearned | image |") == 6 * 3, "names, and facts of one and two hops"
    assert "| recall | memorized |" not in body
    for stage in ("base", "memorized"):
        cell = record.one("exposure", stage=stage, source="image", target="text", group="forget").in_seed(1)
        row = measurement_table([cell]).markdown().splitlines()[-1].replace("| forget |", "| forget | all |")
        assert body.count(f"\n{row}\n") == 1, (
            "Exposure is read against the model before learning and before unlearning"
        )
    assert "models named in the last rows" in body
    assert 'adapter="you/first-light/adapters/unlearned_image_seed1"' in body
    _, body = parts(adapter_card(record, "you/first-light", learned))
    assert "| exposure | base | image | text | all | all | 1 |" in body
    assert "| exposure | unlearned |" not in body


def test_card_sets_exposure_beside_base_and_memorized(record):
    _, body = parts(results_card(record, "you/x", ()))
    for stage in ("base", "memorized", "unlearned"):
        assert f"| exposure | {stage} | image | text | forget |" in body


def test_an_adapter_of_a_model_from_the_hub_is_loaded_with_peft(record, run_folder):
    for config in run_folder.rglob("adapter_config.json"):
        config.write_text('{"base_model_name_or_path": "llava-hf/llava-1.5-7b-hf"}')
    adapter = adapters_of(record, run_folder)[0]
    front, body = parts(adapter_card(record, "you/x", adapter))
    assert front["base_model"] == "llava-hf/llava-1.5-7b-hf"
    assert "license" not in front, "the base model's license decides"
    assert 'PeftModel.from_pretrained(model, "you/x", subfolder="adapters/memorized_image_seed1")' in body


def test_the_card_of_a_score():
    measurements = [measured("exposure", where) for where in ({}, {"hops": 1}, {"attribute": "email"})]
    config = {"model": None, "adapter": ".", "dataset": None, "config": "qa", "split": "forget"}
    record = record_of("score", [*measurements, measured("forget_quality", ci=None)], config=config, seeds=(0,))
    _, body = parts(results_card(record, "you/npo", ()))
    assert "on `crossmem/personas`, config `qa`, split `forget`" in body
    assert "| exposure | 1 | 0.5 | 0.4 to 0.6 | 8 | 0.1 |" in body
    assert "email" not in body
    assert "| forget_quality | all | 0.5 |  | 8 |" in body
    assert "Fingerprint of the model: `mm`" in body
    assert "All 4 numbers are in [record.json](record.json)." in body


def test_methods_and_claims_have_tables_of_their_own(root):
    record = Record.read(root / "results/compare")
    verdict = Verdict(
        sentence="NPO forgets.",
        paper="arXiv",
        effect=0.5,
        ci=(0.4, 0.6),
        n=3,
        threshold=0.1,
        unit="x",
        verdict="inconclusive",
    )
    _, body = parts(results_card(record.model_copy(update={"verdicts": (verdict,)}), "you/x", ()))
    assert "| NPO forgets. | arXiv | inconclusive |" in body
    assert "\n| npo | both | " in body
    assert "unlearning by ga, gd" in body
    assert "`--only ga` does so for one method." in body
