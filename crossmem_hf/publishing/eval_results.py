# SPDX-License-Identifier: Apache-2.0
"""The headline numbers in the format that the Hub shows on model pages: ``.eval_results/*.yaml``."""

import re
from collections.abc import Iterator
from typing import Final

import yaml
from huggingface_hub import EvalResultEntry, constants, eval_result_entries_to_yaml

from crossmem_hf.data.release.writing import REPO_ID
from crossmem_hf.report.record import Measurement, Record

FOLDER = ".eval_results"
HEADLINES: Final = ("recall", "exposure")
"""What stands for a study; of a score, every metric over all rows does."""

_KEYS = ("stage", "method", "forget_modality", "source", "group", "target")
_NUM_LISTED = (
    *((None, group) for group in ("forget", "retain", None)),
    *(("memorized", None), ("unlearned", "forget"), ("unlearned", "retain")),
)
"""Stage and group of personas whose numbers are headlines."""


def eval_results(record: Record, repo_id: str) -> dict[str, bytes]:
    """Path -> contents: recall and Exposure of a study, every metric of a score about all rows.

    The Hub wants each variant in a file of its own: here a metric of a model, stage and group of personas. A task is a
    split of a config, as in the dataset's ``eval.yaml``: `recall_image_test` asks with portraits. Values keep the unit
    that their notes name; those of Exposure also name it of the base and of the memorized model. There is no date: the
    commit has one, and equal results must be equal files.
    """
    variants: dict[str, list[EvalResultEntry]] = {}
    for task, variant, m in _headlines(record):
        entry = EvalResultEntry(
            dataset_id=dataset_of(record),
            task_id=task,
            value=m.value,
            source_url=f"{constants.ENDPOINT}/{repo_id}",
            source_name="crossmem_hf record",
            notes=_notes(record, m),
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
    """The Hub name of the dataset: ours are those of REPO_ID with the seeds that the record names."""
    named = record.config.get("dataset")
    return named if isinstance(named, str) else REPO_ID


def _headlines(record: Record) -> Iterator[tuple[str, str, Measurement]]:
    """(task, variant, number); no variant has two numbers for a task."""
    for m in over_seeds(record):
        where = {name: value for name, value in m.where.items() if name != "seed"}
        is_headline = m.metric in HEADLINES and {*where} <= {*_KEYS}
        if (is_headline or not where) and (where.get("stage"), where.get("group")) in _NUM_LISTED:
            task = _task(record, m)
            if task:
                words = (where.get(name) for name in _KEYS if name != "target" or str(where.get(name)) not in task)
                yield task, " ".join([m.metric, *(str(word) for word in words if word is not None)]), m


def over_seeds(record: Record) -> Iterator[Measurement]:
    """What is pooled over seeds, and of a run with one seed that seed's."""
    return (m for m in record.measurements if m.seed is None or len(record.seeds) == 1)


def _task(record: Record, m: Measurement) -> str:
    """The task in the dataset's ``eval.yaml`` that a number answers; empty if it is of none."""
    config = record.config
    if "split" in config:
        return f"{config.get('config')}_{config['split']}" if {*m.where} <= {"seed"} else ""
    if config.get("dataset_config") == "qa":
        return f"qa_test_{m.where['group']}" if "group" in m.where else ""
    return f"recall_{m.where['target']}_test" if "target" in m.where else ""


def _notes(record: Record, m: Measurement) -> str:
    count = len(m.by_seed) or int(m.seed is not None)
    seeds = f" ({count} persona seed{'s' * (count > 1)})" if count else ""
    interval = "" if m.ci is None else f"; 95 % interval {m.ci[0]:.4g} to {m.ci[1]:.4g}{seeds}"
    chance = "" if m.chance is None else f"; chance {m.chance:.4g}"
    others = record.baselines(m) if m.metric.startswith("exposure") else {}
    compared = "".join(f"; {name} model {other.value:.4g}" for name, other in others.items())
    what = f"{m.metric} ({m.unit}, greater means {m.greater_means}): {m.place or 'all rows'}"
    return f"{what}{interval}; n {m.n}{chance}{compared}"
