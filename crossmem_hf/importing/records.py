# SPDX-License-Identifier: Apache-2.0
"""From a record to the questions it holds, checked. It opens no picture and decides on no split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from crossmem_hf.importing.columns import BadRecordError, Record, exploded, short, unpacked
from crossmem_hf.importing.mapping import FALSE_ANSWERS, NAME, Block, TableMapping
from crossmem_hf.metrics.matching import says
from crossmem_hf.personas.schema import MODALITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question of a record, checked; pictures are whatever the table has for them."""

    config: str
    person: str
    question: str
    answer: str
    false_answers: tuple[str, ...]
    attribute: str
    modality: str
    hops: int
    split: str | None
    view: int
    template: str | None
    pictures: tuple[Any, ...]


def queries_of(mapping: TableMapping, record: Record) -> Iterator[Query]:
    """The questions of one record, in the order of the mapping's blocks.

    Raises:
        BadRecordError: A column that is not there, something empty, or a value that a row cannot hold.
    """
    for block in mapping.blocks:
        for where, single in exploded(record, block.explode):
            try:
                yield _query(block, single)
            except BadRecordError as error:
                raise BadRecordError(f"{where}{error}") from error


def _query(block: Block, record: Record) -> Query:
    given = {key: column.of(record) for key, column in block.columns.items()}
    person, answer = _words(given, "person"), _words(given, "answer")
    query = given["question"]
    question = _words({"question": query.replace("<image>", "") if isinstance(query, str) else query}, "question")
    pictures = given.get("images")
    listed = pictures if isinstance(pictures, list | tuple) else [pictures]
    shown = tuple(picture for picture in listed if picture not in (None, ""))
    modality = str(given.get("modality") or ("image" if shown else "text"))
    if modality not in MODALITIES:
        raise BadRecordError(f"its modality is {short(modality)}; expected one of {', '.join(MODALITIES)}")
    if modality == "image" and not shown:
        raise BadRecordError("its modality is 'image', and it has no picture")
    split = None if given.get("split") is None else normalize("NFC", str(given["split"]))
    if split is not None and not NAME.fullmatch(split):
        raise BadRecordError(
            f"its split is {short(split)}; expected at most 50 letters, digits and '_', without combining signs"
        )
    return Query(
        config=block.config,
        person=person,
        question=question,
        answer=answer,
        false_answers=_false(given, answer),
        attribute=_words(given, "attribute") if given.get("attribute") is not None else block.config,
        modality=modality,
        hops=_hops(given, question),
        split=split,
        view=0 if given.get("view") is None else _whole(given["view"], "view", 10**9),
        template=None if given.get("template") is None else str(given["template"]),
        pictures=shown if modality == "image" else (),
    )


def _words(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if isinstance(value, list | tuple | Mapping | bytes):
        raise BadRecordError(f"its {key} is {short(value)}; expected a text")
    text = "" if value is None else normalize("NFC", str(value)).strip()
    if not text:
        raise BadRecordError(f"its {key} is empty")
    return text


def _false(given: Mapping[str, Any], answer: str) -> tuple[str, ...]:
    if FALSE_ANSWERS not in given:
        return ()
    value = unpacked(given[FALSE_ANSWERS])
    listed = value if isinstance(value, list | tuple) else [value]
    texts = tuple(_words({FALSE_ANSWERS: text}, FALSE_ANSWERS) for text in listed)
    if not texts or answer in texts:
        raise BadRecordError(
            f"its {FALSE_ANSWERS} is {short(value)} for the answer {short(answer)}; expected other texts"
        )
    return texts


def _hops(given: Mapping[str, Any], question: str) -> int:
    if given.get("hops") is not None:
        return _whole(given["hops"], "hops", 2)
    if "name" not in given:
        raise BadRecordError("its hops is empty, and no column has the name that the question may say")
    return 1 if says(question, _words(given, "name")) else 2


def _whole(value: Any, key: str, max_value: int) -> int:
    try:
        number = float(str(value))  # "2.0", too
    except ValueError:
        number = -1.0
    if not 0 <= number <= max_value or not number.is_integer():
        raise BadRecordError(f"its {key} is {short(value)}; expected a whole number, 0 to {max_value}")
    return int(number)
