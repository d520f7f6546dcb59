# SPDX-License-Identifier: Apache-2.0
"""Which columns of somebody else's table are the question, the answer, the person: a mapping, read from YAML.

It reads no table and opens no picture. docs/importing.md describes the YAML; the presets are in the folder mappings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from unicodedata import normalize

import yaml

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.importing.columns import Column
from crossmem_hf.importing.decoding import text_of

OPEN = "?"
"""Stands in a preset for what is not known; a mapping that still holds it is refused."""

_PRESETS = Path(__file__).parent / "mappings"
_NEEDED = ("person", "question", "answer")
_COLUMNS = (*_NEEDED, "name", "images", "attribute", "modality", "hops", "split", "view", "template")
FALSE_ANSWERS = "perturbed_answer"
NAME = re.compile(r"\w{1,50}")
"""What may be a config or a split: what `datasets` takes, and short enough for the name of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One kind of question that a record holds: the config of its rows, the lists it is spread over, its columns."""

    config: str
    explode: tuple[str, ...]
    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """How a record becomes rows.

    Attributes:
        name: The preset's, or the file's.
        source: Where the names of the columns were taken from.
        blocks: Kinds of questions; those with the same config agree on whether they have false answers.
    """

    name: str
    source: str
    blocks: tuple[Block, ...]

    @property
    def falsified(self) -> frozenset[str]:
        """The configs whose rows have false answers."""
        return frozenset(block.config for block in self.blocks if FALSE_ANSWERS in block.columns)


def presets() -> list[str]:
    """Names of the mappings that are shipped."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def mapping_text(name: str) -> str:
    """The YAML of a preset, to be copied and changed.

    Raises:
        CrossmemError: There is no such preset.
    """
    if name not in presets():
        raise unknown("mapping", [name], presets())
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def read_mapping(name: str) -> TableMapping:
    """A preset by its name, or a YAML file by its path.

    Raises:
        CrossmemError: Neither; YAML that cannot be read; a key that means nothing, one missing, or one left open.

    Example:
        >>> read_mapping("mllmu").blocks[0].columns["person"].column
        'ID'
    """
    if name in presets():
        return _mapping(name, mapping_text(name))
    try:
        text = text_of(Path(name))
    except (OSError, UnicodeDecodeError) as error:
        raise CrossmemError(
            f"There is no mapping {name!r}: it is neither a file that can be read nor one of {', '.join(presets())}.",
            "Write a YAML file as in docs/importing.md, or name one of these.",
        ) from error
    return _mapping(Path(name).name, text)


def _mapping(name: str, text: str) -> TableMapping:
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CrossmemError(
            f"Mapping {name!r} is not valid YAML: {' '.join(str(error).split())}.", "Correct it."
        ) from error
    if not isinstance(given, dict):
        raise CrossmemError(f"Mapping {name!r} holds no keys.", "Write it as in docs/importing.md.")
    shared = {key: value for key, value in given.items() if key not in ("source", "questions")}
    listed = given.get("questions", [{}])
    if not isinstance(listed, list) or not listed or not all(isinstance(part, dict) for part in listed):
        raise CrossmemError(
            f"'questions' of mapping {name!r} is {listed!r}; expected a list of kinds of questions.",
            "Write one kind an entry, as in docs/importing.md.",
        )
    blocks = tuple(_block(name, {**shared, **part}) for part in listed)
    for config in {block.config for block in blocks}:
        if len({FALSE_ANSWERS in block.columns for block in blocks if block.config == config}) > 1:
            raise CrossmemError(
                f"Some questions of config {config!r} in mapping {name!r} have {FALSE_ANSWERS!r}, and some have not.",
                "Give them different configs.",
            )
    return TableMapping(name=name, source=str(given.get("source") or "not said"), blocks=blocks)


def _block(name: str, given: Mapping[str, Any]) -> Block:
    known = ("config", "explode", *_COLUMNS, FALSE_ANSWERS)
    others = sorted(str(key) for key in given if key not in known)
    if others:
        found = unknown("key", others, ("source", "questions", *known))
        raise CrossmemError(f"Mapping {name!r}: {found.fault}", found.remedy)
    columns = {key: _column(name, key, given[key]) for key in (*_COLUMNS, FALSE_ANSWERS) if given.get(key) is not None}
    needed = (*_NEEDED, *(() if "name" in columns else ("hops",)))
    for key in needed:
        if key not in columns:
            raise CrossmemError(
                f"Mapping {name!r} does not say what {key!r} is.",
                "Name its column, or write {value: ...} for all rows"
                + ("; with 'name' given, hops is 1 where the question says it and else 2." if key == "hops" else "."),
            )
    config, lists = normalize("NFC", str(given.get("config", "qa"))), given.get("explode") or []
    if not NAME.fullmatch(config):
        raise CrossmemError(
            f"Mapping {name!r} has the config {config!r}.",
            "Use at most 50 letters, digits and '_', without combining signs.",
        )
    return Block(
        config=config,
        explode=(lists,) if isinstance(lists, str) else tuple(str(path) for path in lists),
        columns=columns,
    )


def _column(mapping: str, key: str, given: Any) -> Column:
    if given == OPEN or (isinstance(given, Mapping) and OPEN in given.values()):
        raise CrossmemError(
            f"Mapping {mapping!r} leaves {key!r} open ('?'): it is not known to us.",
            f"Look at the table's columns; copy the mapping ('crossmem import-mapping {mapping}') and fill it in.",
        )
    if isinstance(given, str):
        return Column(column=given)
    known = {field.name for field in fields(Column)}
    if not isinstance(given, Mapping) or not set(given) <= known or len({"column", "value"} & set(given)) != 1:
        raise CrossmemError(
            f"{key!r} of mapping {mapping!r} is {given!r}; expected a column, or a mapping of either column or value "
            f"and some of {', '.join(sorted(known - {'column', 'value'}))}.",
            "Write for instance 'question: Question' or 'hops: {value: 1}'.",
        )
    values = given.get("values")
    if values is not None and not isinstance(values, Mapping):
        raise CrossmemError(f"'values' of {key!r} in mapping {mapping!r} is {values!r}.", "Write it as a mapping.")
    return Column(**{**given, "values": values and {str(old): new for old, new in values.items()}})
