# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest
import yaml
from huggingface_hub import DatasetCard

from crossmem_hf.data.configs.table import DEFAULT_CONFIG, SPLITS, features_of
from crossmem_hf.data.release.card import cell


@pytest.fixture(scope="module")
def card(materialized):
    return DatasetCard.load(materialized / "crossmem" / "personas" / "README.md")


def test_the_front_matter_lists_every_config_split_and_feature(card):
    metadata = card.data.to_dict()
    listed = {config["config_name"]: config for config in metadata["configs"]}
    assert {name: tuple(file["split"] for file in config["data_files"]) for name, config in listed.items()} == SPLITS
    assert [name for name, config in listed.items() if config.get("default")] == [DEFAULT_CONFIG]
    infos = {info["config_name"]: info for info in metadata["dataset_info"]}
    for config in SPLITS:
        assert {feature["name"] for feature in infos[config]["features"]} == set(features_of(config))
    assert metadata["license"] == "cc0-1.0"


def test_the_table_gives_the_rows_that_are_there(card):
    infos = {info["config_name"]: info for info in card.data.to_dict()["dataset_info"]}
    lines = re.findall(r"^\| (?:`(\w+)`)? ?\| `(\w+)` \| ([\d,]+) \|", card.text, flags=re.MULTILINE)
    config, found = "", {}
    for name, split, rows in lines:
        config = name or config
        found[config, split] = int(rows.replace(",", ""))
    wanted = {(name, split["name"]): split["num_examples"] for name, info in infos.items() for split in info["splits"]}
    assert found == wanted


def test_the_content_fingerprint_is_told_to_people_and_to_the_cache(card):
    (reported,) = re.findall(r"Content fingerprint: `([0-9a-f]{16})`", card.text)
    assert {config["description"] for config in card.data.to_dict()["configs"]} == {f"content {reported}"}


def test_the_card_says_what_must_be_said(card, spec):
    for said in (
        "Everyone here is invented",
        "CC0-1.0",
        "Intended use",
        "Data statement",
        "Out of scope",
        "Who could be harmed",
        "Limits",
        f"`num_personas={spec.num_personas}`",
    ):
        assert said in card.text
    assert "{{" not in card.content
    assert "{%" not in card.content


def test_the_front_matter_is_plain_yaml(card):
    assert isinstance(yaml.safe_load(card.content.split("---")[1]), dict)


@pytest.fixture(scope="module")
def report(materialized):
    return json.loads((materialized / "crossmem" / "personas" / "quality.json").read_text())


def test_the_quality_section_has_the_numbers_of_the_report(card, report):
    section = card.text.partition("## Quality")[2].partition("\n## ")[0]
    for check, looked_at in report["checks"].items():
        assert re.search(rf"^\| {check} \| .* \| {looked_at:,} \|$", section, flags=re.MULTILINE), check
    assert f"medical_condition {report['shared']['medical_condition']}" in section
    assert f"{report['portraits']['nearest_other']['smallest']} bits apart" in section
    for config in report["lengths"]:
        assert f"`{config}` questions" in section


def test_every_config_that_asks_has_an_example(card, report):
    assert {"recall_image", "recall_text", "qa", "captions"} <= report["examples"].keys()
    for config, example in report["examples"].items():
        assert f"| `{config}` | {example['question']} | {example['answer']} |" in card.text


def test_a_table_cell_stays_one_cell():
    assert cell("a|b\nc") == "a\\|b c"


def test_the_sheet_of_samples_is_shown(card, materialized):
    assert "](samples.png)" in card.text
    assert (materialized / "crossmem" / "personas" / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_evaluation_tasks_are_the_held_out_splits(materialized):
    tasks = yaml.safe_load((materialized / "crossmem" / "personas" / "eval.yaml").read_text())
    assert tasks["name"] == "personas"
    named = {task["id"]: (task["config"], task["split"]) for task in tasks["tasks"]}
    assert named["recall_image_test"] == ("recall_image", "test")
    assert named["qa_test_forget"] == ("qa_test", "forget")
    assert named["qa_far_forget"] == ("qa_far", "forget")
    assert named["recall_text_far"] == ("recall_text", "far")
    assert "qa_forget" not in named
    assert all(split in SPLITS[config] for config, split in named.values())
