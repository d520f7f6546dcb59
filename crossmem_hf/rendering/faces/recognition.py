# SPDX-License-Identifier: Apache-2.0
"""Face models by name, and ArcFace by a library of them (uniface, after SCRFD). It decides nothing.

That library downloads weights once and checks their sha256; the weights have licenses of their own. dlib's model,
which needs no network, is in `faces_dlib`.
"""

import os
from typing import TYPE_CHECKING, Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.rendering.faces.identity import Vector
from crossmem_hf.rendering.faces.model import FaceModel

if TYPE_CHECKING:
    from PIL import Image

UNIFACE_MODELS = ("arcface_resnet", "arcface_mnet")
FACE_MODELS = (*UNIFACE_MODELS, "dlib")
_ALSO_CALLED = {"uniface": "arcface_resnet"}


def known_as(name: str) -> str:
    """The face model that a name stands for: ``"uniface"`` is its ``"arcface_resnet"``, others are themselves."""
    return _ALSO_CALLED.get(name, name)


def load_face_model(name: str) -> FaceModel:
    """A face model, ready.

    Args:
        name: One of `FACE_MODELS`, or ``"uniface"``.

    Raises:
        CrossmemError: An unknown name, a package that is not installed, or weights that are missing or others.
    """
    if known_as(name) == "dlib":
        from crossmem_hf.rendering.faces.dlib_model import DlibFaces

        return DlibFaces()
    return FaceEmbedder(known_as(name))


class FaceEmbedder(FaceModel):
    """An ArcFace model behind a face detector.

    Args:
        model: One of `UNIFACE_MODELS`.

    Raises:
        CrossmemError: An unknown model, uniface is not installed, or its weights cannot be had.
    """

    threshold = None

    def __init__(self, model: str = "arcface_resnet") -> None:
        if model not in UNIFACE_MODELS:
            raise CrossmemError(
                f"Unknown face model {model!r}; expected one of {', '.join(FACE_MODELS)}.", "Pick one of them."
            )
        try:
            import uniface
            from uniface.constants import MODEL_REGISTRY, ArcFaceWeights
        except ImportError as error:
            raise CrossmemError(
                f"Comparing faces needs uniface, which cannot be imported: {error}.",
                "In a clone of this repository, run: pip install -e '.[diffusion]'; or pass --face-model none.",
            ) from error
        self.name = f"uniface {uniface.__version__} {model}"
        self.version = str(MODEL_REGISTRY[ArcFaceWeights(model)].sha256)
        # the same numbers in every process, whatever else is installed
        providers = ["CPUExecutionProvider"]
        try:
            self._detector: Any = uniface.SCRFD(providers=providers)
            self._recognizer: Any = uniface.ArcFace(model_name=ArcFaceWeights(model), providers=providers)
        except (OSError, RuntimeError, ValueError) as error:  # its ConnectionError is an OSError
            folder = os.path.expanduser(os.environ.get("UNIFACE_CACHE_DIR", "~/.uniface/models"))
            raise CrossmemError(
                f"The weights of the face model {model!r} could not be loaded: {error}.",
                f"Check the network, or put them into {folder!r} (UNIFACE_CACHE_DIR names another folder).",
            ) from error

    def embed(self, picture: "Image.Image") -> list[Vector]:
        """A unit vector a face of the picture; empty if there is none."""
        import numpy

        pixels = numpy.ascontiguousarray(numpy.asarray(as_seen(picture))[:, :, ::-1])  # it reads BGR
        faces = self._detector.detect(pixels)
        vectors = [self._recognizer.get_normalized_embedding(pixels, face.landmarks) for face in faces]
        return [[float(number) for number in vector] for vector in vectors]
