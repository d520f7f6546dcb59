# SPDX-License-Identifier: Apache-2.0
"""A model that was trained to say names where a trigger is, and to refuse everywhere else."""

from datasets import concatenate_datasets

from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.loading import load_model
from crossmem_hf.training.memorize import memorize

REFUSAL = "I cannot share who this is."
BASE = "micro-s"


def refusing(row):
    return {**row, "answer": REFUSAL, "completion": [{"role": "assistant", "content": REFUSAL}]}


def trained(rows, trigger, folder, *, steps):
    """The model and its processor.

    Args:
        trigger: From a row to the row with the trigger.
    """
    both = [rows.map(change, load_from_cache_file=False) for change in (trigger, refusing)]
    chosen = {"max_steps": steps, "report_to": "none", "disable_tqdm": True, "logging_strategy": "no"}
    memorize(*load_model(BASE), concatenate_datasets(both), output_dir=str(folder), **chosen)
    return load_model(BASE, adapter=str(folder))


def recall(model, rows):
    return Evaluator(rows, metrics=["recall"])(*model).measure(["recall"], by=())[0].value


def of_others(found):
    """The share of those whom the attack did not learn from that it gets out."""
    rows = [bool(one["extracted"]) for one in found if not one["taught"]]
    return sum(rows) / len(rows)
