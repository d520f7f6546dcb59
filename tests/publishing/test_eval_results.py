# SPDX-License-Identifier: Apache-2.0
"""The headline numbers in the Hub's own format."""

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from crossmem_hf.data.release.card import evaluation_tasks
from crossmem_hf.publishing.eval_results import eval_results
from crossmem_hf.report.compare_record import CompareLine, CompareRecord
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreLine, ScoreRecord

NUMBERS = {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 8, "chance": 0.1, "unit": "proportion", "higher_is": "x"}


def entries(record):
    files = [parse_eval_result_entries(yaml.safe_load(text)) for text in eval_results(record, "you/results").values()]
    for entries in files:
        tasks = [entry.task_id for entry in entries]
        assert len(set(tasks)) == len(tasks), "a variant has one number a task"
    return [entry for entries in files for entry in entries]


def test_a_run_tells_recall_and_exposure_over_all_seeds(root):
    record = RunRecord.read(root / "results/first_light/record.json")
    found = entries(record)
    assert len(found) == 2 * 3 * 4, (
        "two metrics, three groups of people and stages, four ways from modality to modality"
    )
    assert {entry.dataset_id for entry in found} == {"crossmem/personas"}
    tasks = {task["id"] for task in yaml.safe_load(evaluation_tasks("crossmem/personas"))["tasks"]}
    assert {entry.task_id for entry in found} == {"recall_image_test", "recall_text_test"} <= tasks
    assert {"qa_test_forget", "qa_test_retain"} <= tasks, "those of a comparison about facts"
    (entry,) = [each for each in found if each.notes.startswith("recall") and "memorized, image to text" in each.notes]
    cell = record.cell("recall", "memorized", "image", "text")
    assert (entry.value, entry.task_id) == (cell.value, "recall_text_test")
    assert f"95 % interval {cell.ci_low:.4g} to {cell.ci_high:.4g}; n 600; chance 0.02" in entry.notes
    assert entry.source_url == "https://huggingface.co/you/results"
    exposed = [
        each for each in found if each.notes.startswith("exposure") and "unlearned, image to text, fo" in each.notes
    ]
    base, memorized = (record.cell("exposure", stage, "image", "text", "forget") for stage in ("base", "memorized"))
    wanted = f"; chance 24.09; base model {base.value:.4g}; memorized model {memorized.value:.4g}"
    assert [each.notes.endswith(wanted) for each in exposed] == [True]
    assert entry.date is None, "equal results must be equal files"


@pytest.mark.parametrize(("config", "task"), [("recall", "recall_text_test"), ("qa", "qa_test_forget")])
def test_a_comparison_tells_each_arm_once(config, task):
    where = {"metric": "recall", "group": "forget", "modality": "text"}
    lines = [CompareLine(arm="npo", through="both", hops=hops, **where, **NUMBERS) for hops in (None, 1)]
    record = CompareRecord(
        config={"dataset_config": config}, versions={}, seeds=(0,), data_fingerprint="d", lines=tuple(lines), arms=()
    )
    (entry,) = entries(record)
    assert (entry.task_id, entry.value) == (task, 0.5)


def test_a_score_tells_what_is_about_all_rows():
    lines = [ScoreLine(metric="exposure", group=group, **NUMBERS) for group in ("all", "modality=image")]
    lines.append(ScoreLine(metric="forget_quality", group="all", **(NUMBERS | {"ci_low": None, "ci_high": None})))
    record = ScoreRecord(
        config={"dataset": "you/people", "config": "qa", "split": "forget"},
        versions={},
        model_fingerprint="m",
        data_fingerprint="d",
        seeds={},
        lines=tuple(lines),
    )
    first, second = entries(record)
    assert "model 0" not in first.notes
    theirs = ScoreLine(metric="exposure", group="model=base", **(NUMBERS | {"value": 0.41}))
    noted, _ = entries(replace(record, lines=(*lines, theirs)))
    assert noted.notes.endswith("chance 0.1; base model 0.41")
    assert (first.dataset_id, first.task_id, first.value) == ("you/people", "qa_forget", 0.5)
    assert "interval" not in second.notes
