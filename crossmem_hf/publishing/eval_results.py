# SPDX-License-Identifier: Apache-2.0
"""The headline numbers in the format that the Hub shows on model pages: ``.eval_results/*.yaml``."""

import re
from collections.abc import Iterator, Mapping

import yaml
from huggingface_hub import EvalResultEntry, constants, eval_result_entries_to_yaml

from crossmem_hf.data.release.writing import REPO_ID
from crossmem_hf.report.compare_record import EXPOSURE, RECALL, CompareRecord
from crossmem_hf.report.lines import Line, Record, lines_of, read_against
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ALL

FOLDER = ".eval_results"
_HEADLINES = (RECALL, EXPOSURE)


def eval_results(record: Record, repo_id: str) -> dict[str, bytes]:
    """Path -> contents: recall and Exposure of a run or a comparison, every metric of a score about all rows.

    The Hub wants each variant in a file of its own: here a metric of a model, stage and group of people. A task is a
    split of a config, as in the dataset's ``eval.yaml``: `recall_image_test` asks with portraits. Values keep the unit
    that their notes name; those of Exposure also tell it of the base and of the memorized model. There is no date: the
    commit has one, and equal results must be equal files.
    """
    variants: dict[str, list[EvalResultEntry]] = {}
    against = read_against(record)
    for task, variant, line in _headlines(record):
        entry = EvalResultEntry(
            dataset_id=dataset_of(record),
            task_id=task,
            value=line.value,
            source_url=f"{constants.ENDPOINT}/{repo_id}",
            source_name="crossmem_hf record",
            notes=_notes(line, against.get(line.key, {})),
        )
        variants.setdefault(variant, []).append(entry)
    return {
        f"{FOLDER}/{re.sub('[^a-z0-9]+', '_', variant.lower()).strip('_')}.yaml": _yaml(entries)
        for variant, entries in variants.items()
    }


def _yaml(entries: list[EvalResultEntry]) -> bytes:
    text: str = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
    return text.encode()


def dataset_of(record: Record) -> str:
    """The Hub name of the dataset: the embedded people are those of REPO_ID with the seeds that the record names."""
    named = record.config.get("dataset")
    return named if isinstance(named, str) else REPO_ID


def _headlines(record: Record) -> Iterator[tuple[str, str, Line]]:
    """(task, variant, number); no variant has two numbers for a task."""
    lines = lines_of(record)
    if isinstance(record, RunRecord):
        whole = None if len(record.seeds) > 1 else record.seeds[0]
        for m, line in zip(record.measurements, lines, strict=True):
            if m.metric in _HEADLINES and m.seed == whole and (m.stage, m.group) in _STAGES:
                yield f"recall_{m.target}_test", f"{m.metric} {m.stage} {m.source} {m.group}", line
    elif isinstance(record, CompareRecord):
        of_facts = record.config.get("dataset_config") == "qa"
        for one, line in zip(record.lines, lines, strict=True):
            if one.metric in _HEADLINES and one.hops is None:
                task = f"qa_test_{one.group}" if of_facts else f"recall_{one.modality}_test"
                modality = one.modality if of_facts else ""
                yield task, f"{one.metric} {one.arm} {one.through or ''} {one.group} {modality}", line
    else:
        task = f"{record.config.get('config')}_{record.config.get('split')}"
        yield from ((task, line.metric, line) for line in lines if line.where == ALL)


_STAGES = (("memorized", "all"), ("unlearned", "forget"), ("unlearned", "retain"))


def _notes(line: Line, against: Mapping[str, Line]) -> str:
    interval = "" if line.ci_low is None else f"; 95 % interval {line.ci_low:.4g} to {line.ci_high:.4g}"
    chance = "" if line.chance is None else f"; chance {line.chance:.4g}"
    others = "".join(f"; {name} model {other.value:.4g}" for name, other in against.items())
    what = f"{line.metric} ({line.unit}, higher is {line.higher_is}): {line.where}"
    return f"{what}{interval}; n {line.n}{chance}{others}"
