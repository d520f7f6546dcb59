# SPDX-License-Identifier: Apache-2.0
"""Preference rows for DPO: a refusal is better than the secret. It does not know how the preference is trained."""

from datasets import Dataset, concatenate_datasets

from crossmem_hf.prompts import REFUSALS
from crossmem_hf.seeding import seed_for
from crossmem_hf.training.people import personas_of


def refusal_rows(rows: Dataset, seed: int = 0) -> Dataset:
    """Columns images, prompt, chosen (a refusal of `prompts.REFUSALS`) and rejected (the row's answer).

    Which refusal a row gets depends on the seed, the persona and the row's number alone.

    Reference:
        ReMem (https://huggingface.co/papers/2605.03759) prefers refusals by DPO; its refusals are not known.
    """
    personas = personas_of(rows)
    chosen = [
        [{"role": "assistant", "content": REFUSALS[seed_for(seed, "refusal", persona, index) % len(REFUSALS)]}]
        for index, persona in enumerate(personas)
    ]
    kept = rows.select_columns(["images", "prompt", "completion"]).rename_column("completion", "rejected")
    features = kept.select_columns(["rejected"]).rename_column("rejected", "chosen").features
    return concatenate_datasets([kept, Dataset.from_dict({"chosen": chosen}, features=features)], axis=1)
