# SPDX-License-Identifier: Apache-2.0
"""Question tables of other benchmarks as a dataset like ours, through a mapping of their columns.

Tables are read twice: first everything is checked, then pictures are made and rows written. Nothing is uploaded.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.rows import Row, candidate_row
from crossmem_hf.data.splits import check_disjoint, check_fraction, forget_ids, person_key
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.card import About
from crossmem_hf.importing.columns import BadRecordError, Record
from crossmem_hf.importing.decoding import text_of
from crossmem_hf.importing.folder import FolderWriter, check_free, write_imported
from crossmem_hf.importing.images import Noted, Report
from crossmem_hf.importing.leftovers import left_in_files, left_lying
from crossmem_hf.importing.mapping import FALSE_ANSWERS, TableMapping
from crossmem_hf.importing.pictures import BadPictureError, PictureShape, check_picture, clean_picture, unwarned
from crossmem_hf.importing.records import Query, queries_of
from crossmem_hf.importing.tables import Table, json_of, picture_in
from crossmem_hf.importing.validation import ValidationErrors

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)
_CACHED_PICTURES = 64  # questions about a picture stand together, or nearly so


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionImport:
    """What becomes of a table.

    Attributes:
        mapping: What its columns are.
        parts: Split -> table, where the benchmark keeps splits apart; None for one table whose people are divided.
        images: Folder of the pictures that cells name; None for the folder of the table.
        forget_personas: Whom to forget, if the benchmark says; None takes `forget_fraction` of the people.
        shape: What pictures become.
        forget_fraction: Share of the people in the split forget.
        seed: Who is forgotten.
        license: As the Hub names licenses, for the card.

    Raises:
        CrossmemError: A share out of range.
    """

    mapping: TableMapping
    parts: Mapping[str | None, Table]
    images: Path | None = None
    forget_personas: frozenset[str] | None = None
    shape: PictureShape = field(default_factory=PictureShape)
    forget_fraction: float = 0.2
    seed: int = 0
    license: str | None = None

    def __post_init__(self) -> None:
        check_fraction(self.forget_fraction)
        if self.images is not None and not self.images.is_dir():
            raise CrossmemError(f"There is no folder {str(self.images)!r} of pictures.", "Check the path.")


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What the first reading found."""

    num_records: int
    num_rows: int
    personas: Sequence[str]
    forgotten: frozenset[str]
    candidates: Mapping[str, Sequence[str]]


def import_questions(
    target: Path,
    options: QuestionImport,
    *,
    overwrite: bool = False,
    report: Report | None = None,
    noted: Noted | None = None,
) -> Path:
    """The folder `target`, which `load_dataset`, `load_rows`, the recipes and ``crossmem score`` take.

    It has the mapping's configs, each with the splits forget and retain unless the table or the parts say others, and
    ``candidates``: all different answers of each attribute.

    Args:
        overwrite: Replace an earlier import in that folder.
        report: Called with the progress.
        noted: Called with what is left out; None logs it as warnings.

    Raises:
        CrossmemError: A record, picture or column that is wrong, all of them before anything is written; somebody both
            forgotten and retained; a folder that may not be replaced.
    """
    report = report or (lambda *_: None)
    check_free(target, overwrite=overwrite)
    with unwarned():
        surveyed = _surveyed(options, report, noted or logger.warning)
    features = {block.config: _features(block.config, options.mapping) for block in options.mapping.blocks}
    features["candidates"] = features_of("candidates")

    def fill(writer: FolderWriter) -> About:
        with unwarned():
            _write_rows(writer, options, surveyed, report)
        for attribute, values in surveyed.candidates.items():
            kind: Any = "name" if attribute == "full_name" else "fact"
            writer.add("candidates", "target", candidate_row(attribute, kind, values))
        return _about(options, surveyed)

    return write_imported(target, features, fill, overwrite=overwrite)


def personas_listed(where: str) -> frozenset[str]:
    """The people whom a file lists: one a line, or a JSON list; ``FILE#KEY`` takes one list of a JSON mapping.

    They are `person_key`s; entries that are missing are nobody.

    Raises:
        CrossmemError: The file cannot be read, or has no such list.
    """
    name, _, key = where.partition("#")
    try:
        given = json_of(Path(name)) if name.endswith(".json") else text_of(Path(name)).split("\n")
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, CrossmemError):
            raise
        raise CrossmemError(f"The list of people {name!r} cannot be read: {error}.", "Check the file.") from error
    listed = given.get(key) if key and isinstance(given, dict) else given
    if not isinstance(listed, list):
        known = f"; it has {', '.join(map(str, given))}" if isinstance(given, dict) else ""
        raise CrossmemError(
            f"{where!r} is no list of people{known}.", "Give a list, or with FILE.json#KEY the key of one."
        )
    personas = frozenset(person_key(str(person).strip()) for person in listed if str(person or "").strip())
    if not personas:
        raise CrossmemError(f"The list of people {where!r} is empty.", "Name somebody.")
    return personas


def _features(config: str, mapping: TableMapping) -> "datasets.Features":
    from datasets import Features, List, Value

    rows = features_of("qa")
    return Features({**rows, FALSE_ANSWERS: List(Value("string"))}) if config in mapping.falsified else rows


def _questions(options: QuestionImport) -> Iterator[tuple[str, str | None, Record, Table]]:
    for split, table in options.parts.items():
        for where, record in table.records():
            yield where, split, record, table


def _surveyed(options: QuestionImport, report: Report, noted: Noted) -> Surveyed:
    """Look at every question and at the head of every picture."""
    errors, num_records, num_rows = ValidationErrors("records"), 0, 0
    splits: dict[str, set[str]] = {}
    candidates: dict[str, dict[str, None]] = {}
    several, used = dict[str, str](), set[Path]()
    checked = lru_cache(maxsize=_CACHED_PICTURES)(check_picture)
    for where, split, record, table in _questions(options):
        num_records += 1
        try:
            for query in queries_of(options.mapping, record):
                for value in query.pictures:
                    picture = picture_in(value, _folder(options, table))
                    if isinstance(picture, Path):
                        used.add(picture)
                    several[where] = several.get(where) or checked(picture)
                num_rows += 1
                splits.setdefault(query.person, set()).update(filter(None, [query.split or split]))
                candidates.setdefault(query.attribute, {})[query.answer] = None
        except (BadRecordError, BadPictureError) as error:
            errors.add(where, error)
        report("Looking at questions", num_records, None)
    for note in filter(None, [_skipped(options, used), left_in_files(several)]):
        noted(note)
    errors.check(num_records)
    if not num_rows:
        raise CrossmemError(f"The table holds no questions ({num_records} records).", "Check the mapping.")
    return Surveyed(
        num_records=num_records,
        num_rows=num_rows,
        personas=list(splits),
        forgotten=_forgotten(splits, options),
        candidates={attribute: list(answers) for attribute, answers in candidates.items()},
    )


def _skipped(options: QuestionImport, used: set[Path]) -> str:
    return "" if options.images is None else left_lying(options.images, used, listed="the table")


def _forgotten(splits: Mapping[str, set[str]], options: QuestionImport) -> frozenset[str]:
    """Whom the table, the list, or else the fraction says."""
    placed = any(splits.values())
    if placed and options.forget_personas is not None:
        raise CrossmemError(
            "The table or its parts say who is in which split, and so does the list of people.", "Give one of them."
        )
    if placed:
        homeless = sorted(person for person, own in splits.items() if not own)
        if homeless:
            raise CrossmemError(
                f"{homeless[0]!r} is in no split ({len(homeless)} such people).", "Let the mapping's split say."
            )
        forget = [person for person, own in splits.items() if "forget" in own]
        retain = [person for person, own in splits.items() if "retain" in own]
        if forget and retain:
            check_disjoint(forget, retain)
        return frozenset(forget)
    if options.forget_personas is None:
        return forget_ids(list(splits), options.forget_fraction, options.seed)
    wanted = frozenset(map(person_key, options.forget_personas))
    unknown = sorted(wanted - splits.keys())
    if unknown:
        raise CrossmemError(
            f"{unknown[0]!r} is to be forgotten and is not in the table ({len(unknown)} such people).",
            "Check the list, and the mapping's person.",
        )
    check_disjoint(sorted(wanted), sorted(splits.keys() - wanted))
    return wanted


def _write_rows(writer: FolderWriter, options: QuestionImport, surveyed: Surveyed, report: Report) -> None:
    errors, done = ValidationErrors("records"), 0
    cleaned = lru_cache(maxsize=_CACHED_PICTURES)(lambda picture: clean_picture(picture, options.shape))
    for where, part, record, table in _questions(options):
        try:
            for query in queries_of(options.mapping, record):
                split = query.split or part or ("forget" if query.person in surveyed.forgotten else "retain")
                pictures = [cleaned(picture_in(value, _folder(options, table))) for value in query.pictures]
                writer.add(query.config, split, _row(query, split, pictures, options.mapping))
                done += 1
        except (BadRecordError, BadPictureError) as error:  # cut off in the middle, which its head does not tell
            errors.add(where, error)
        report("Writing rows", done, surveyed.num_rows)
    errors.check(surveyed.num_records)


def _folder(options: QuestionImport, table: Table) -> Path | None:
    if options.images is not None:
        return options.images
    path = Path(table.source)
    return path.parent if table.is_file else path if path.is_dir() else None


def _row(query: Query, split: str, pictures: Sequence[bytes], mapping: TableMapping) -> Row:
    row: Row = {
        "images": [{"bytes": picture, "path": None} for picture in pictures],
        "prompt": [{"role": "user", "content": query.question}],
        "completion": [{"role": "assistant", "content": query.answer}],
        "persona_id": query.person,
        "attribute": query.attribute,
        "answer": query.answer,
        "modality": query.modality,
        "hops": query.hops,
        "view": query.view,
        "template": query.template or f"{split}-{query.config}",
    }
    return row | ({FALSE_ANSWERS: list(query.false_answers)} if query.config in mapping.falsified else {})


def _about(options: QuestionImport, surveyed: Surveyed) -> About:
    settings: dict[str, object] = {"mapping": options.mapping.name, "image_size": options.shape.size}
    settings |= {"fit": options.shape.fit, "picture_format": options.shape.kind}
    if all(part is None for part in options.parts) and options.forget_personas is None:
        settings |= {"forget_fraction": options.forget_fraction, "seed": options.seed}
    sources = {table.source for table in options.parts.values()}
    return About(
        hub=", ".join(sorted(sources)) if not any(Path(source).exists() for source in sources) else None,
        command="import-qa",
        num_personas=len(surveyed.personas),
        num_forget=len(surveyed.forgotten),
        license=options.license,
        default=options.mapping.blocks[0].config,
        settings=settings,
        columns=options.mapping.source,
    )
