# SPDX-License-Identifier: Apache-2.0
"""Refusals in the place of secrets, alone or as the better of two, and pairs that a dataset brings. It does not know
how they are trained."""

from collections.abc import Sequence

from datasets import Dataset, concatenate_datasets

from crossmem_hf.data.refusals import dealt_refusals, dealt_sentences
from crossmem_hf.errors import CrossmemError


def refused(rows: Dataset, seed: int = 0, sentences: Sequence[str] | None = None) -> Dataset:
    """The rows with a refusal as their completion, all else as it was.

    Args:
        sentences: As for `data.refusals.dealt_sentences`; None deals the 114 phrasings of the config ``preference`` in
            the same way: none dominates, and each suits what is asked and whether the persona is named. Which one a
            row gets depends on the seed and on the rows before it alone.
    """
    columns = [name for name in ("attribute", "hops", "modality") if name in rows.column_names]
    pictured = [bool(images) for images in rows.with_format("arrow")["images"].to_pylist()]
    about = (
        [{**row, "images": seen} for row, seen in zip(rows.select_columns(columns), pictured, strict=True)]
        if columns
        else [{"images": seen} for seen in pictured]
    )
    dealt = dealt_refusals(about, seed) if sentences is None else dealt_sentences(about, sentences, seed)
    completions = [[{"role": "assistant", "content": text}] for text in dealt]
    features = rows.select_columns(["completion"]).features
    refusals = Dataset.from_dict({"completion": completions}, features=features)
    return concatenate_datasets([rows.remove_columns("completion"), refusals], axis=1)


def refusal_rows(rows: Dataset, seed: int = 0, sentences: Sequence[str] | None = None) -> Dataset:
    """Columns images, prompt, chosen (the refusal of `refused`) and rejected (the row's answer).

    Args:
        sentences: As for `refused`.

    Reference:
        ReMem (https://huggingface.co/papers/2605.03759) prefers refusals by DPO; its refusals are not known.
    """
    rejected = rows.select_columns(["images", "prompt", "completion"]).rename_column("completion", "rejected")
    chosen = refused(rows, seed, sentences).select_columns(["completion"]).rename_column("completion", "chosen")
    return concatenate_datasets([rejected, chosen], axis=1)


def answered(pairs: Dataset) -> tuple[Dataset, Dataset]:
    """The rows behind pairs of the config ``preference``, with the right answer as their completion.

    Returns:
        The rows whose answer is rejected, which are to be forgotten, and those whose answer is chosen.

    Raises:
        CrossmemError: A column is missing, no answer is rejected, or a pair has the answer on both sides or on none.
    """
    missing = sorted({"chosen", "rejected", "answer", "persona_id"} - set(pairs.column_names))
    if missing:
        raise CrossmemError(
            f"The pairs lack the columns {missing!r}; they have {pairs.column_names!r}.",
            "Use rows of the config preference, or questions with a completion.",
        )
    table = pairs.select_columns(["chosen", "rejected", "answer"]).with_format("arrow")[:].to_pylist()
    sides: dict[str, list[int]] = {"rejected": [], "chosen": []}
    for number, pair in enumerate(table):
        right = [side for side in sides if pair[side][0]["content"] == pair["answer"]]
        if len(right) != 1:
            raise CrossmemError(
                f"Pair {number} has the answer {pair['answer']!r} among neither or both of chosen and rejected.",
                "Put it on one side and a refusal on the other.",
            )
        sides[right[0]].append(number)
    if not sides["rejected"]:
        raise CrossmemError("No pair rejects its answer, so nothing is to be forgotten.", "Use the split forget.")
    completions = [[{"role": "assistant", "content": pair["answer"]}] for pair in table]
    features = pairs.select_columns(["chosen"]).rename_column("chosen", "completion").features
    answers = Dataset.from_dict({"completion": completions}, features=features)
    rows = concatenate_datasets([pairs.remove_columns(["chosen", "rejected"]), answers], axis=1)
    return rows.select(sides["rejected"]), rows.select(sides["chosen"])
