# SPDX-License-Identifier: Apache-2.0
"""Whether names and faces of imported portraits agree, by a face model. It reports, and refuses only if asked to."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.portraits import Portrait
from crossmem_hf.rendering.faces.agreement import disagreements
from crossmem_hf.rendering.faces.identity import Vector, chosen_threshold
from crossmem_hf.rendering.faces.model import FaceModel
from crossmem_hf.storage import write_atomic

_NUM_LISTED = 5


class FaceCheck:
    """What a face model makes of pictures and the names they come with.

    Args:
        model: Who finds and compares faces.
        threshold: Cosine above which two faces are one person's, from -1 to 1; None is the model's own.
        strict: Refuse what does not agree.

    Raises:
        CrossmemError: The threshold is out of range, or neither given nor the model's own.
    """

    def __init__(self, model: FaceModel, threshold: float | None = None, *, strict: bool = False) -> None:
        self._model, self._strict = model, strict
        self._threshold = chosen_threshold(threshold, model.threshold, model.name)
        self._seen: list[Portrait] = []
        self._vectors: list[Vector] = []
        self._no_face: list[str] = []
        self._several: list[str] = []

    def check(self, portrait: Portrait, picture: bytes) -> None:
        """Take in a picture, as a row holds it."""
        from PIL import Image

        with Image.open(BytesIO(picture)) as opened:
            found = self._model.embed(opened.convert("RGB"))
        if len(found) == 1:
            self._seen.append(portrait)
            self._vectors.append(found[0])
        else:
            (self._several if found else self._no_face).append(portrait.where)

    def report(self) -> dict[str, Any]:
        """What was found, for JSON; pictures are called what they are called in the source.

        Raises:
            CrossmemError: It is to be strict, and names and faces do not agree, or a picture has not exactly one face.
        """
        shared, torn = disagreements([portrait.person for portrait in self._seen], self._vectors, self._threshold)
        report = {
            "face_model": self._model.name,
            "face_model_sha256": self._model.version,
            "threshold": self._threshold,
            "num_pictures": len(self._seen) + len(self._no_face) + len(self._several),
            "no_face": self._no_face,
            "several_faces": self._several,
            "two_names_one_face": [
                {
                    "personas": list(one.personas),
                    "cosine": one.cosine,
                    "pictures": [self._called(two) for two in one.pictures],
                }
                for one in shared
            ],
            "one_name_two_faces": [
                {"person": one.person, "faces": [self._called(face) for face in one.faces]} for one in torn
            ],
        }
        doubts = list(_doubts(report))
        if self._strict and doubts:
            raise CrossmemError(
                f"Names and faces do not agree (doubts: {len(doubts)}): "
                f"{'; '.join(doubts[:_NUM_LISTED])}{'; ...' if len(doubts) > _NUM_LISTED else ''}.",
                "Correct or remove these pictures, or leave out --strict-faces; nothing was written.",
            )
        return report

    def _called(self, numbers: tuple[int, ...]) -> list[str]:
        return [self._seen[number].where for number in numbers]


def report_path(target: Path) -> Path:
    """Where the report on the faces of an import lies: beside its folder, so that it is not published with it."""
    return target.with_name(f"{target.name}.faces.json")


def write_report(target: Path, report: dict[str, Any]) -> None:
    """Write the report on the faces of an import.

    Raises:
        CrossmemError: The file cannot be written.
    """
    write_atomic(report_path(target), json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def summary(report: dict[str, Any]) -> Iterator[str]:
    """What a report says, in lines."""
    doubts = list(_doubts(report))
    said = f"doubts about names and faces: {len(doubts)}" if doubts else "names and faces agree"
    yield f"{said}; {report['num_pictures']} pictures, cosine above {report['threshold']:.4g}, {report['face_model']}"
    yield from (f"  {doubt}" for doubt in doubts[:_NUM_LISTED])
    if len(doubts) > _NUM_LISTED:
        yield f"  and {len(doubts) - _NUM_LISTED} more"


def _doubts(report: dict[str, Any]) -> Iterator[str]:
    for one in report["two_names_one_face"]:
        pictures = " and ".join(map(_some, one["pictures"]))
        names = " and ".join(map(repr, one["personas"]))
        yield f"two names with one face: {names} (cosine {one['cosine']:.3f}; {pictures})"
    for one in report["one_name_two_faces"]:
        faces = " apart from ".join(map(_some, one["faces"]))
        yield f"one name with {len(one['faces'])} faces: {one['person']!r} ({faces})"
    yield from (f"no face: {where}" for where in report["no_face"])
    yield from (f"several faces: {where}" for where in report["several_faces"])


def _some(pictures: list[str]) -> str:
    return pictures[0] if len(pictures) == 1 else f"{len(pictures)} pictures such as {pictures[0]}"
