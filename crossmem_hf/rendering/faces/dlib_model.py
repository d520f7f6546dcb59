# SPDX-License-Identifier: Apache-2.0
"""Face embeddings by dlib, with weights that come in a package: no network. It decides nothing.

Davis King's ResNet of 2017, 128 numbers a face, behind his detector of frontal faces and five landmarks. The weights
are CC0, from the package face-recognition-models, whose own module needs a setuptools of before 2025 and is not run.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.rendering.faces.identity import Vector
from crossmem_hf.rendering.faces.model import THRESHOLDS, FaceModel
from crossmem_hf.storage import file_digest

if TYPE_CHECKING:
    from PIL import Image

_LANDMARKS = "shape_predictor_5_face_landmarks.dat"
_EMBEDDING = "dlib_face_recognition_resnet_model_v1.dat"
_DIGESTS = {
    _LANDMARKS: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    _EMBEDDING: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}
_ENLARGED_TO, _SHRUNK_TO = 400, 1600  # pixels; the detector was made for faces of 80 pixels and more
# At the detector's own 0 every fifth drawn portrait has a face; at this, 24 of 800 have one (docs/portraits.md).
_SURE = 0.6
_INSTALL = "In a clone of this repository, run: pip install -e '.[faces]'."


class DlibFaces(FaceModel):
    """dlib's face model. The same picture gives the same numbers: nothing is drawn at random.

    A picture whose shorter side is below 400 pixels is enlarged to that (faces below about 30 pixels of the original
    are then compared badly); one whose longer side is above 1600 is made smaller.

    Raises:
        CrossmemError: dlib or the weights are not installed, or the weights are others than those we know.
    """

    threshold = THRESHOLDS["dlib"]
    version = _DIGESTS[_EMBEDDING]

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise CrossmemError(
                f"Comparing faces with dlib needs dlib, which cannot be imported: {error}.", _INSTALL
            ) from error
        self.name = f"dlib {dlib.__version__} {_EMBEDDING.removesuffix('.dat')}"
        self._aligned = dlib.get_face_chip
        self._detector: Any = dlib.get_frontal_face_detector()
        self._landmarks: Any = dlib.shape_predictor(_weights(_LANDMARKS))
        self._recognizer: Any = dlib.face_recognition_model_v1(_weights(_EMBEDDING))

    def embed(self, picture: "Image.Image") -> list[Vector]:
        """A unit vector of 128 numbers a face, the surest face first; empty if none looks ahead."""
        import numpy

        pixels = numpy.ascontiguousarray(numpy.asarray(_sized(as_seen(picture))))
        boxes, _, _ = self._detector.run(pixels, 0, _SURE)
        vectors: list[Vector] = []
        for box in boxes:
            chip = self._aligned(pixels, self._landmarks(pixels, box))  # 150 pixels, eyes where it was trained on them
            found = numpy.asarray(self._recognizer.compute_face_descriptor(chip), dtype=numpy.float64)
            vectors.append([float(number) for number in found / numpy.linalg.norm(found)])
        return vectors


def _sized(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    shorter, longer = sorted(picture.size)
    scale = min(max(1.0, _ENLARGED_TO / shorter), _SHRUNK_TO / longer)
    if scale == 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _weights(name: str) -> str:
    """The path of a file of weights, once its contents are what they should be."""
    package = importlib.util.find_spec("face_recognition_models")
    folders = (package.submodule_search_locations if package else None) or []
    path = next((found for folder in folders if (found := Path(folder, "models", name)).is_file()), None)
    if path is None:
        raise CrossmemError(
            f"The weights {name!r} of the package face-recognition-models are not installed.", _INSTALL
        )
    digest = file_digest(path)
    if digest != _DIGESTS[name]:
        raise CrossmemError(
            f"The weights {str(path)!r} have the SHA-256 {digest!r}; expected {_DIGESTS[name]!r}.",
            "Install them anew: pip install --force-reinstall face-recognition-models==0.3.0.",
        )
    return str(path)
