# SPDX-License-Identifier: Apache-2.0
"""Through which door facts are forgotten: portraits, descriptions, or both. It does not know how."""

from datasets import Dataset

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.training.people import personas_of


def through(rows: Dataset, forget_modality: str | None) -> Dataset:
    """The rows that reach their facts through a door, in their order.

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
    doors, attributes = (table[name].to_pylist() for name in ("modality", "attribute"))
    by_door = {door: set() for door in MODALITIES} | {door: set() for door in doors}
    for door, *fact in zip(doors, personas_of(rows), attributes, strict=True):
        by_door[door].add(tuple(fact))
    for door in MODALITIES if forget_modality == "both" else (forget_modality,):
        lacking = sorted(set().union(*by_door.values()) - by_door[door])
        if not by_door[door] or (forget_modality == "both" and lacking):
            which = f", such as that for {lacking[0]!r}" if by_door[door] else ""
            raise CrossmemError(
                f"forget_modality={forget_modality!r}, but the forget set lacks rows of modality {door!r}{which}.",
                "Use rows of both modalities, such as config recall_image+recall_text or qa.",
            )
    if forget_modality == "both":
        return rows
    return rows.select([index for index, door in enumerate(doors) if door == forget_modality])
