# SPDX-License-Identifier: Apache-2.0
"""A face model without a model, and pictures for it: the color of a picture says which faces it has."""

import math
from io import BytesIO

from PIL import Image

from crossmem_hf.rendering.faces.model import FaceModel


def at(degrees):
    """A unit vector in the plane."""
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def picture(degrees, faces=1, mark=0):
    """A picture with that many faces in that direction, from 0 to 180; marks tell pictures of a face apart."""
    return Image.new("RGB", (24, 24), (degrees, faces, mark))


def png(degrees, faces=1, mark=0):
    buffer = BytesIO()
    picture(degrees, faces, mark).save(buffer, format="PNG")
    return buffer.getvalue()


def folder_of(root, personas):
    """A folder a person; of each person the directions of the pictures, or None for one without a face."""
    for place, (person, directions) in enumerate(personas.items()):
        (root / person).mkdir(parents=True)
        for number, degrees in enumerate(directions):
            shown = (
                png(0, faces=0, mark=20 * place + number)
                if degrees is None
                else png(degrees, mark=20 * place + number)
            )
            (root / person / f"{number}.png").write_bytes(shown)
    return root


class PlantedFaces(FaceModel):
    name, version, threshold = "planted 1", "abc", math.cos(math.radians(20))

    def embed(self, picture):
        degrees, faces, _ = picture.getpixel((picture.width // 2, picture.height // 2))
        return [at(degrees + 60 * number) for number in range(faces)]
