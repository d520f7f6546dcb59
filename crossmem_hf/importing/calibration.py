# SPDX-License-Identifier: Apache-2.0
"""Which threshold suits a face model and pictures: those of a folder of known people, or of an album of portraits.

It finds the pictures and says what to think of the numbers, which are `rendering.calibration`'s.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.albums.album import ABOUT, pictures_of_album
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.pictures import BadPictureError, PictureShape, clean_picture, unwarned
from crossmem_hf.importing.portraits import PortraitColumns, portraits_in
from crossmem_hf.rendering.faces.calibration import Calibration
from crossmem_hf.rendering.faces.identity import check_threshold
from crossmem_hf.rendering.faces.model import FaceModel

if TYPE_CHECKING:
    from PIL import Image

_FEW_PERSONAS = 20
_WHOLE = PictureShape(size=800, fit="pad")


def run_calibration(
    source: str, model: FaceModel, *, threshold: float | None = None, report: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """What a face model makes of pictures of known people: a record for `report.calibration_text`, and for JSON.

    ``suggested`` is the threshold at which the larger of both error rates is smallest, with both rates and their
    intervals; ``own`` the same for `threshold`, or else for the model's own. Both are None, and ``missing`` says why,
    if there are fewer than two people or no two pictures of anybody; all else is there even then.

    Args:
        source: As for `importing.portraits.portraits_in`, or a folder that `studies.portraits` made.
        threshold: Cosine to look at besides the suggested one; None is the model's own.
        report: Called with how many pictures are done.

    Raises:
        CrossmemError: No such pictures, one that cannot be read, a threshold out of range.
    """
    if threshold is not None:
        check_threshold(threshold)
    personas, vectors, unused = [], [], {"no_face": list[str](), "several_faces": list[str]()}
    with unwarned():
        for number, (person, where, picture) in enumerate(_pictures(source), start=1):
            found = model.embed(picture)
            if len(found) == 1:
                personas.append(person)
                vectors.append(found[0])
            else:
                unused["several_faces" if found else "no_face"].append(where)
            report(number)
    calibration = Calibration(personas, vectors)
    looked_at = model.threshold if threshold is None else threshold
    known = calibration.missing is None
    return {
        "source": Path(source).name,
        "face_model": model.name,
        "face_model_sha256": model.version,
        **calibration.as_dict(),
        **unused,
        "suggested": asdict(calibration.errors(calibration.suggested())) if known else None,
        "own": asdict(calibration.errors(looked_at)) if known and looked_at is not None else None,
        "missing": calibration.missing,
        "warnings": list(_warnings(source, calibration)),
    }


def _pictures(source: str) -> "Iterator[tuple[str, str, Image.Image]]":
    if (Path(source) / ABOUT).is_file():
        for person, path in pictures_of_album(source):
            yield person, path.relative_to(source).as_posix(), _opened(path, path.name)
    else:
        for portrait, picture in portraits_in(source, PortraitColumns()):
            yield portrait.person, portrait.where, _opened(picture, portrait.where)


def _opened(picture: Path | bytes, where: str) -> "Image.Image":
    from PIL import Image

    try:
        with Image.open(BytesIO(clean_picture(picture, _WHOLE))) as opened:
            return opened.convert("RGB")
    except BadPictureError as error:
        raise CrossmemError(
            f"The picture {where!r} cannot be read: {error.reason}.", "Correct or remove it; nothing was written."
        ) from error


def _warnings(source: str, calibration: Calibration) -> Iterator[str]:
    if calibration.num_personas < _FEW_PERSONAS:
        yield (
            f"{calibration.num_personas} people are few: intervals are wide below about "
            f"{_FEW_PERSONAS}, and other people may be more alike."
        )
    if calibration.missing is None:
        yield "The suggested threshold was chosen on the pairs it is judged by, so its errors elsewhere are larger."
    if _was_filtered(source):
        yield (
            "These portraits were kept by a face model and a threshold, so its errors do not show here: make an album "
            "with --embedder none to calibrate on."
        )


def _was_filtered(source: str) -> bool:
    about = Path(source) / ABOUT
    try:
        return bool(json.loads(about.read_text())["made_by"]["face_model"]) if about.is_file() else False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrossmemError(
            f"{str(about)!r} cannot be read: {type(error).__name__}: {error}.", "Choose another folder."
        ) from error
