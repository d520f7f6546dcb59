# SPDX-License-Identifier: Apache-2.0
"""Portraits of the user's own people as a dataset like ours: names to recall through pictures, and descriptions.

Sources are read twice: first everything is checked, then pictures are made and rows written. Nothing is uploaded.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.rows import Row, candidate_row
from crossmem_hf.data.splits import check_fraction, forget_order
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.card import About
from crossmem_hf.importing.faces import FaceCheck, report_path, write_report
from crossmem_hf.importing.folder import FolderWriter, check_free, write_imported
from crossmem_hf.importing.leftovers import left_in_files
from crossmem_hf.importing.pictures import BadPictureError, PictureShape, check_picture, clean_picture, unwarned
from crossmem_hf.importing.portraits import Picture, Portrait, PortraitColumns, portraits_in, skipped_in
from crossmem_hf.importing.validation import ValidationErrors
from crossmem_hf.importing.views import Personas, View, check_held_out, personas_in
from crossmem_hf.personas.schema import Modality
from crossmem_hf.prompts.questions import NAME_QUESTIONS
from crossmem_hf.storage import file_digest

if TYPE_CHECKING:
    import datasets

_TOGETHER = 64  # pictures; Pillow leaves other threads alone while it decodes, scales and compresses

logger = logging.getLogger(__name__)

Report = Callable[[str, int, int | None], None]
"""Called with the progress: what is being done, how many are done, of how many (None while that is not known)."""
Noted = Callable[[str], None]
"""Called with sentences on what of the source is left out: skipped files, pictures in files that hold several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitImport:
    """What becomes of portraits.

    Attributes:
        columns: What a metadata file or dataset calls things.
        config: Config of a dataset.
        split: Split of a dataset.
        shape: What pictures become.
        held_out: Share of a person's views for validation, and as much for test.
        forget_fraction: Share of the people in the forget sets.
        seed: Which views are held out, and who is forgotten.
        license: As the Hub names licenses, for the card.

    Raises:
        CrossmemError: A share out of range.
    """

    columns: PortraitColumns = field(default_factory=PortraitColumns)
    config: str | None = None
    split: str = "train"
    shape: PictureShape = field(default_factory=PictureShape)
    held_out: float = 0.2
    forget_fraction: float = 0.2
    seed: int = 0
    license: str | None = None

    def __post_init__(self) -> None:
        check_held_out(self.held_out)
        check_fraction(self.forget_fraction)


def import_portraits(
    source: str,
    target: Path,
    options: PortraitImport,
    *,
    overwrite: bool = False,
    report: Report | None = None,
    faces: FaceCheck | None = None,
    noted: Noted | None = None,
) -> Path:
    """The folder `target`, which `load_dataset`, `load_rows`, the recipes and ``crossmem score`` take.

    Its configs: ``recall_image`` (and ``recall_text``, if there are descriptions), split train, validation and
    test; ``recall_image_test`` and ``recall_text_test``, the rows of test divided into forget and retain; ``people``
    and ``candidates``.

    Args:
        source: As for `portraits.portraits_in`.
        overwrite: Replace an earlier import in that folder.
        report: Called with the progress.
        faces: Looks at every picture; its report lies beside the folder, at `faces.report_path`. None looks at none.
        noted: Called with what is left out; None logs it as warnings.

    Raises:
        CrossmemError: Anything wrong with the source, before anything is written; a folder that may not be replaced;
            strict `faces` that do not agree with the names.
    """
    progress = report or (lambda *_: None)
    check_free(target, overwrite=overwrite)
    if report_path(target).exists() and not overwrite:
        raise CrossmemError(
            f"{str(report_path(target))!r} holds an earlier report on faces.", "Pass --overwrite, or move it away."
        )
    portraits, personas = _checked(source, options, progress, noted or logger.warning)
    row_features = features_of("recall_image")
    features = {
        **dict.fromkeys(("recall_image", "recall_text", "recall_image_test", "recall_text_test"), row_features),
        "people": _persona_features(),
        "candidates": features_of("candidates"),
    }

    reports: list[dict[str, Any]] = []

    def fill(writer: FolderWriter) -> About:
        _write_pictures(writer, source, portraits, personas, options, progress, faces)
        if faces is not None:
            reports.append(faces.report())  # here, so that nothing is left if it refuses
        _write_descriptions(writer, personas)
        _write_personas(writer, personas, options.seed)
        return _about(source, personas, options)

    write_imported(target, features, fill, overwrite=overwrite)
    report_path(target).unlink(missing_ok=True)  # that of the import that was replaced
    for found in reports:
        write_report(target, found)
    return target


def name_row(picture: bytes | None, description: str, person: str, name: str, view: View) -> Row:
    """A row that asks for the name of a person shown or described; one hop, as in our own recall configs."""
    modality: Modality = "text" if picture is None else "image"
    question = NAME_QUESTIONS[modality]
    if picture is None:
        question = question.format(description=description)
    return {
        "images": [] if picture is None else [{"bytes": picture, "path": None}],
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": name}],
        "persona_id": person,
        "attribute": "full_name",
        "answer": name,
        "modality": modality,
        "hops": 1,
        "view": view.index,
        "template": f"{view.split}-imported",
    }


def _checked(source: str, options: PortraitImport, report: Report, noted: Noted) -> tuple[list[Portrait], Personas]:
    errors, portraits, digests, several = ValidationErrors("pictures"), list[Portrait](), list[str](), dict[str, str]()
    for portrait, picture in _pictures(source, options):
        try:
            with unwarned():
                several[portrait.where] = check_picture(picture)
        except BadPictureError as error:
            errors.add(portrait.where, error)
        portraits.append(portrait)
        digests.append(_digest(picture))
        report("Looking at pictures", len(portraits), None)
    for note in filter(None, [skipped_in(source, portraits), left_in_files(several)]):
        noted(note)
    errors.check(len(portraits))
    personas = personas_in(
        portraits, digests, held_out=options.held_out, forget_fraction=options.forget_fraction, seed=options.seed
    )
    return portraits, personas


def _pictures(source: str, options: PortraitImport) -> Iterable[tuple[Portrait, Picture]]:
    return portraits_in(source, options.columns, config=options.config, split=options.split)


def _digest(picture: Picture) -> str:
    return hashlib.sha256(picture).hexdigest() if isinstance(picture, bytes) else file_digest(picture)


def _write_pictures(
    writer: FolderWriter,
    source: str,
    portraits: list[Portrait],
    personas: Personas,
    options: PortraitImport,
    report: Report,
    faces: FaceCheck | None,
) -> None:
    errors, first = ValidationErrors("pictures"), dict[str, str]()
    again = zip(_cleaned(_pictures(source, options), options.shape), personas.views, strict=True)
    for number, ((portrait, made), view) in enumerate(again, start=1):
        if isinstance(made, BadPictureError):  # cut off in the middle, which its head does not tell
            errors.add(portrait.where, made)
        elif (other := first.setdefault(_digest(made), portrait.where)) != portrait.where:  # in another file format
            errors.add(portrait.where, f"it shows the same picture as {other}")
        else:
            _add(writer, personas, name_row(made, "", portrait.person, portrait.name, view), view)
            if faces is not None:
                faces.check(portrait, made)
        report("Writing pictures", number, len(portraits))
    errors.check(len(portraits))


def _cleaned(
    pictures: Iterable[tuple[Portrait, Picture]], shape: PictureShape
) -> Iterator[tuple[Portrait, bytes | BadPictureError]]:
    """The pictures in their order, made on all cores; no more than a few are held."""

    def clean(picture: Picture) -> bytes | BadPictureError:
        try:
            return clean_picture(picture, shape)
        except BadPictureError as error:
            return error

    rest = iter(pictures)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool, unwarned():
        while some := list(islice(rest, _TOGETHER)):
            made = pool.map(clean, [picture for _, picture in some])
            yield from zip([portrait for portrait, _ in some], made, strict=True)


def _write_descriptions(writer: FolderWriter, personas: Personas) -> None:
    for person, described in personas.descriptions.items():
        for text, view in described:
            _add(writer, personas, name_row(None, text, person, personas.names[person], view), view)


def _add(writer: FolderWriter, personas: Personas, row: Row, view: View) -> None:
    config = f"recall_{row['modality']}"
    writer.add(config, view.split, row)
    if view.split == "test":
        writer.add(f"{config}_test", "forget" if row["persona_id"] in personas.forgotten else "retain", row)


def _write_personas(writer: FolderWriter, personas: Personas, seed: int) -> None:
    for rank, person in enumerate(forget_order(list(personas.names), seed)):
        split = "forget" if person in personas.forgotten else "retain"
        writer.add("people", split, {"persona_id": person, "full_name": personas.names[person], "forget_rank": rank})
    writer.add("candidates", "target", candidate_row("full_name", "name", list(personas.names.values())))


def _persona_features() -> "datasets.Features":
    from datasets import Features, Value

    return Features({"persona_id": Value("string"), "full_name": Value("string"), "forget_rank": Value("int64")})


def _about(source: str, personas: Personas, options: PortraitImport) -> About:
    settings = {
        "image_size": options.shape.size,
        "fit": options.shape.fit,
        "picture_format": options.shape.kind,
        "held_out": options.held_out,
        "forget_fraction": options.forget_fraction,
        "seed": options.seed,
    }
    return About(
        hub=None if Path(source).exists() else source,
        command="import-images",
        num_personas=len(personas.names),
        num_forget=len(personas.forgotten),
        license=options.license,
        default="recall_image",
        settings=settings,
    )
