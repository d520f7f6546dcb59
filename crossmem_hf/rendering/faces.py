# SPDX-License-Identifier: Apache-2.0
"""Face embeddings by a library of face models (uniface, ArcFace after SCRFD). It decides nothing.

The library downloads weights once and checks their sha256; the weights have licences of their own.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures import as_seen
from crossmem_hf.rendering.identity import Vector

if TYPE_CHECKING:
    from PIL import Image

FACE_MODELS = ("arcface_resnet", "arcface_mnet")


class FaceEmbedder:
    """An ArcFace model behind a face detector, as an `Embedder`.

    Args:
        model: One of `FACE_MODELS`.

    Raises:
        CrossmemError: An unknown model, uniface is not installed, or its weights cannot be had.
    """

    def __init__(self, model: str = "arcface_resnet") -> None:
        if model not in FACE_MODELS:
            raise CrossmemError(
                f"Unknown face model {model!r}; expected one of {', '.join(FACE_MODELS)}.", "Pick one of them."
            )
        try:
            import uniface
            from uniface.constants import ArcFaceWeights
        except ImportError as error:
            raise CrossmemError(
                f"Comparing faces needs uniface, which cannot be imported: {error}.",
                "In a clone of this repository, run: pip install -e '.[diffusion]'; or pass --face-model none.",
            ) from error
        self.name = f"uniface {uniface.__version__} {model}"
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

    def __call__(self, images: "Sequence[Image.Image]") -> list[Vector | None]:
        """A unit vector a picture; None where the detector finds no face, or several."""
        return [self._embedded(image) for image in images]

    def _embedded(self, image: "Image.Image") -> Vector | None:
        import numpy

        pixels = numpy.ascontiguousarray(numpy.asarray(as_seen(image))[:, :, ::-1])  # it reads BGR
        faces = self._detector.detect(pixels)
        if len(faces) != 1:
            return None
        vector = self._recognizer.get_normalized_embedding(pixels, faces[0].landmarks)
        return [float(number) for number in vector]
