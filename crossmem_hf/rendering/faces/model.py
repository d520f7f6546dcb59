# SPDX-License-Identifier: Apache-2.0
"""What every face model is to those who compare faces, and from which cosine on two are one person's. It knows no
model's library."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crossmem_hf.rendering.faces.identity import Vector

if TYPE_CHECKING:
    from PIL import Image

THRESHOLDS: Mapping[str, float] = {"dlib": 0.93}
"""Face model -> cosine above which two pictures show one person, measured by us: docs/portraits.md says on what.

ArcFace has none: its weights could not be had here, and no value of its publisher is known to us.
"""


class FaceModel(ABC):
    """Finds the faces of a picture and says whose they are, as directions; an `identity.Embedder`.

    Attributes:
        name: What it is, with its version; part of what a folder of portraits depends on.
        version: SHA-256 of the weights of the embedding, in hex, which were compared with it.
        threshold: Cosine above which two faces are one person's, from -1 to 1; None if nobody measured it.
    """

    name: str
    version: str
    threshold: float | None

    @abstractmethod
    def embed(self, picture: "Image.Image") -> list[Vector]:
        """A unit vector a face of the picture, the surest face first; empty if there is none."""

    def __call__(self, images: "Sequence[Image.Image]") -> list[Vector | None]:
        """A unit vector a picture, in their order; None where there is no face, or several."""
        return [found[0] if len(found) == 1 else None for found in map(self.embed, images)]
