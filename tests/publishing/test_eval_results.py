# SPDX-License-Identifier: Apache-2.0
"""The headline numbers in the Hub's own format."""

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from crossmem_hf.data.release.card import evaluation_tasks
from crossmem_hf.publishing.eval_results import eval_results
from crossmem_hf.report.record import Record
from tests.publishing.conftest import measured, record_of


def entries(record):
    files = [parse_eval_result_entries(yaml.safe_load(text)) for text in eval_results(record, "you/results").values()]
    for entries in files:
        tasks = [entry.task_id for entry in entries]
        assert len(set(tasks)) == len(tasks), "a variant has one number a task"
    return [entry for entries in files for entry in entries]


def test_a_run_has_recall_and_exposure_over_all_seeds(root):
    record = Record.read(root / "results/first_light")
    found = entries(record)
    assert len(found) == 2 * 3 * 4, (
        "two metrics, three groups of people and stages, four ways from modality to modality"
    )
    assert {entry.dataset_id for entry in found} == {"crossmem/personas"}
    tasks = {task["id"] for task in yaml.safe_load(evaluation_tasks("crossmem/personas"))["tasks"]}
    assert {entry.task_id for entry in found} == {"recall_image_test", "recall_text_test"} <= tasks
    assert {"qa_test_forget", "qa_test_retain"} <= tasks, "those of a comparison about facts"
    (entry,) = [
        each
        for each in found
        if each.notes.startswith("recall") and "stage memorized, source image, target text;" in each.notes
    ]
    cell = record.one("recall", stage="memorized", source="image", target="text")
    assert (entry.value, entry.task_id) == (cell.value, "recall_text_test")
    assert f"95 % interval {cell.ci[0]:.4g} to {cell.ci[1]:.4g} (5 persona seeds); n 1000; chance 0.02" in entry.notes
    assert entry.source_url == "https://huggingface.co/you/results"
    place = {"source": "image", "target": "text", "group": "forget"}
    about = "stage unlearned, source image, target text, group forget"
    exposed = [each for each in found if each.notes.startswith("exposure") and about in each.notes]
    base, memorized = (record.one("exposure", stage=stage, **place) for stage in ("base", "memorized"))
    wanted = f"; chance 24.09; base model {base.value:.4g}; memorized model {memorized.value:.4g}"
    assert [each.notes.endswith(wanted) for each in exposed] == [True]
    assert entry.date is None, "equal results must be equal files"


@pytest.mark.parametrize(
    ("config", "task", "file"),
    [
        ("recall", "recall_text_test", "recall_npo_both_forget"),
        ("qa", "qa_test_forget", "recall_npo_both_forget_text"),
    ],
)
def test_a_comparison_has_each_method_once(config, task, file):
    where = {"method": "npo", "forget_modality": "both", "group": "forget", "target": "text"}
    apart = [where | {"hops": 1}, where | {"seed": 0}]
    of = [measured("recall", where), *(measured("recall", place) for place in apart), measured("steps", where)]
    record = record_of("compare", of, config={"dataset_config": config}, seeds=(0, 1))
    (entry,) = entries(record)
    assert (entry.task_id, entry.value) == (task, 0.5)
    assert list(eval_results(record, "you/x")) == [f".eval_results/{file}.yaml"]


def test_a_score_has_what_is_about_all_rows():
    measurements = [
        measured("exposure"),
        measured("exposure", {"target": "image"}),
        measured("forget_quality", ci=None),
    ]
    config = {"dataset": "you/people", "config": "qa", "split": "forget"}
    first, second = entries(record_of("score", measurements, config=config))
    assert "model 0" not in first.notes
    theirs = measured("exposure", {"model": "base"}, value=0.41)
    noted, _ = entries(record_of("score", [*measurements, theirs], config=config))
    assert noted.notes.endswith("chance 0.1; base model 0.41")
    assert (first.dataset_id, first.task_id, first.value) == ("you/people", "qa_forget", 0.5)
    assert "interval" not in second.notes
