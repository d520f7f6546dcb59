# SPDX-License-Identifier: Apache-2.0
"""Refusals in the place of secrets, alone or as the better of two. It does not know how they are trained."""

from datasets import Dataset, concatenate_datasets

from crossmem_hf.prompts import REFUSALS
from crossmem_hf.seeding import seed_for
from crossmem_hf.training.people import personas_of


def refused(rows: Dataset, seed: int = 0) -> Dataset:
    """The rows with a refusal of `prompts.REFUSALS` as their completion, all else as it was.

    Which refusal a row gets depends on the seed, the persona and the row's number alone.
    """
    completions = [
        [{"role": "assistant", "content": REFUSALS[seed_for(seed, "refusal", persona, index) % len(REFUSALS)]}]
        for index, persona in enumerate(personas_of(rows))
    ]
    features = rows.select_columns(["completion"]).features
    refusals = Dataset.from_dict({"completion": completions}, features=features)
    return concatenate_datasets([rows.remove_columns("completion"), refusals], axis=1)


def refusal_rows(rows: Dataset, seed: int = 0) -> Dataset:
    """Columns images, prompt, chosen (the refusal of `refused`) and rejected (the row's answer).

    Reference:
        ReMem (https://huggingface.co/papers/2605.03759) prefers refusals by DPO; its refusals are not known.
    """
    rejected = rows.select_columns(["images", "prompt", "completion"]).rename_column("completion", "rejected")
    chosen = refused(rows, seed).select_columns(["completion"]).rename_column("completion", "chosen")
    return concatenate_datasets([rejected, chosen], axis=1)
