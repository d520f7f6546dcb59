# SPDX-License-Identifier: Apache-2.0
"""Which rows are about whom, and which ask in a modality. It does not know who is forgotten."""

from collections.abc import Set

from datasets import Dataset

from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES


def personas_of(dataset: Dataset) -> list[str]:
    """The `person_key` of each row, in order; no image is decoded.

    Raises:
        CrossmemError: A row is about nobody.
    """
    ids = dataset.select_columns(["persona_id"]).with_format("arrow")[:]["persona_id"].to_pylist()
    if None in ids:
        raise CrossmemError(f"Row {ids.index(None)} has no persona_id.", "Say in each row whom it is about.")
    keys = {one: person_key(one) for one in set(ids)}
    return [keys[one] for one in ids]


def of_personas(rows: Dataset, personas: Set[str]) -> Dataset:
    """The rows about these personas, in their order."""
    wanted = set(map(person_key, personas))
    return rows.select([index for index, person in enumerate(personas_of(rows)) if person in wanted])


def through(rows: Dataset, forget_modality: str | None) -> Dataset:
    """The rows that reach their facts through a modality, in their order.

    Args:
        rows: With the columns modality, persona_id and attribute.
        forget_modality: "image" or "text" keeps the rows of that modality. "both" keeps all, once every fact (a
            person's attribute) is there in both. None keeps all, unasked.

    Raises:
        CrossmemError: There is no modality column, no row of that modality, or with "both" a fact in one only.

    Example:
        >>> same = {"persona_id": ["a", "a"], "attribute": ["job", "job"]}
        >>> rows = Dataset.from_dict({"modality": ["image", "text"], **same})
        >>> through(rows, "text")["modality"]
        Column(['text'])
    """
    if forget_modality is None:
        return rows
    missing = sorted({"modality", "persona_id", "attribute"} - set(rows.column_names))
    if missing:
        raise CrossmemError(
            f"forget_modality={forget_modality!r} needs the columns {missing!r}; the forget set has "
            f"{rows.column_names!r}.",
            "Add them, or leave forget_modality out to forget through the rows as they are.",
        )
    table = rows.select_columns(["modality", "attribute"]).with_format("arrow")[:]
    modalities, attributes = (table[name].to_pylist() for name in ("modality", "attribute"))
    by_modality = {modality: set() for modality in MODALITIES} | {modality: set() for modality in modalities}
    for modality, *fact in zip(modalities, personas_of(rows), attributes, strict=True):
        by_modality[modality].add(tuple(fact))
    for modality in MODALITIES if forget_modality == "both" else (forget_modality,):
        lacking = sorted(set().union(*by_modality.values()) - by_modality[modality])
        if not by_modality[modality] or (forget_modality == "both" and lacking):
            which = f", such as that for {lacking[0]!r}" if by_modality[modality] else ""
            raise CrossmemError(
                f"forget_modality={forget_modality!r}, but the forget set lacks rows of modality {modality!r}{which}.",
                "Use rows of both modalities, such as config recall_image+recall_text or qa.",
            )
    if forget_modality == "both":
        return rows
    return rows.select([index for index, modality in enumerate(modalities) if modality == forget_modality])
