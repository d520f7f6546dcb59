# SPDX-License-Identifier: Apache-2.0
"""The headline numbers in the format that the Hub shows on model pages: ``.eval_results/*.yaml``."""

from collections.abc import Iterator

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from crossmem_hf.data.writing import REPO_ID
from crossmem_hf.report.compare_record import EXPOSURE, RECALL, CompareRecord
from crossmem_hf.report.lines import Line, Record, lines_of
from crossmem_hf.report.record import RunRecord
from crossmem_hf.report.score_record import ALL

FILE = ".eval_results/crossmem.yaml"
_HEADLINES = (RECALL, EXPOSURE)
_HELD_OUT = {"recall": {"image": "recall_image", "text": "recall_text"}, "qa": {"image": "qa_test", "text": "qa_test"}}


def eval_results(record: Record, repo_id: str) -> bytes:
    """The file's contents: recall and Exposure of a run or a comparison, every metric of a score about all rows.

    A task is a config of the dataset: `recall_image` is the question asked with a portrait. Values keep the unit that
    their notes name. There is no date: the commit has one, and equal results must be equal files.
    """
    entries = [
        EvalResultEntry(
            dataset_id=dataset_of(record),
            task_id=task,
            value=line.value,
            source_url=f"https://huggingface.co/{repo_id}",
            source_name="crossmem_hf record",
            notes=_notes(line),
        )
        for task, line in _headlines(record)
    ]
    data = eval_result_entries_to_yaml(entries)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode()


def dataset_of(record: Record) -> str:
    """The Hub name of the dataset: the embedded people are those of REPO_ID with the seeds that the record names."""
    named = record.config.get("dataset")
    return named if isinstance(named, str) else REPO_ID


def _headlines(record: Record) -> Iterator[tuple[str, Line]]:
    lines = lines_of(record)
    if isinstance(record, RunRecord):
        whole = None if len(record.seeds) > 1 else record.seeds[0]
        for m, line in zip(record.measurements, lines, strict=True):
            if m.metric in _HEADLINES and m.seed == whole and (m.stage, m.group) in _STAGES:
                yield _HELD_OUT["recall"][m.target], line
    elif isinstance(record, CompareRecord):
        tasks = _HELD_OUT[str(record.config.get("dataset_config", "recall"))]
        for one, line in zip(record.lines, lines, strict=True):
            if one.metric in _HEADLINES and one.hops is None:
                yield tasks[one.door], line
    else:
        task = str(record.config.get("config"))
        yield from ((task, line) for line in lines if line.where == ALL)


_STAGES = (("memorised", "all"), ("unlearned", "forget"), ("unlearned", "retain"))


def _notes(line: Line) -> str:
    interval = "" if line.ci_low is None else f"; 95 % interval {line.ci_low:.4g} to {line.ci_high:.4g}"
    chance = "" if line.chance is None else f"; chance {line.chance:.4g}"
    return f"{line.metric} ({line.unit}, higher is {line.higher_is}): {line.where}{interval}; n {line.n}{chance}"
