# SPDX-License-Identifier: Apache-2.0
"""A renderer and an embedder without a model: a seed decides what a picture shows, and a pixel says it."""

import math

from PIL import Image

from crossmem_hf.data.albums.settings import PortraitSettings
from crossmem_hf.rendering.diffusion.pipeline import Picture
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings

SIZE = 48
THRESHOLD = math.cos(math.radians(40))
FATES = {0: "refused", 1: "no face", 2: "unlike", 3: "lookalike"}


def fate(seed):
    """What becomes of a view with this seed."""
    return FATES.get(seed % 6, "kept")


def settings(**changed):
    chosen = {"num_personas": 3, "num_views": 2, "populations": ("target",), "face_model": "stub", "max_attempts": 40}
    if changed.get("face_model") != "none":
        chosen["threshold"] = THRESHOLD
    diffusion = DiffusionSettings(pipeline="img2img", model="nobody/nothing", image_size=SIZE)
    return PortraitSettings(diffusion=diffusion, **{**chosen, **changed})


class Renderer:
    """Stands in for `DiffusionRenderer`: an angle is a face; anchors have one of eight, views their anchor's."""

    provenance = {"model_commit": "abc"}  # noqa: RUF012

    def __init__(self, stop_after=math.inf, never=()):
        self.seeds, self.stop_after, self.never = [], stop_after, never

    def pictures(self, requests, batch_size):
        if len(self.seeds) + len(requests) > self.stop_after:
            raise KeyboardInterrupt
        self.seeds += [request.seed for request in requests]
        return [self._picture(request) for request in requests]

    def _picture(self, request):
        if request.anchor is None:
            return Picture(self._face(request.seed % 8 * 45, request.seed), request.seed % 9 == 0)
        angle = 2 * request.anchor.getpixel((0, 0))[0]
        what = "refused" if request.prompt in self.never else fate(request.seed)
        turned = {"unlike": angle + 20 + 45, "lookalike": angle + 30, "kept": angle + 10, "refused": angle}
        # others are at least 45 degrees away: 20 + 45 is never within 40 of the own anchor
        return Picture(self._face(turned.get(what), request.seed), what == "refused")

    def _face(self, angle, seed):
        image = Image.new("RGB", (SIZE, SIZE), (seed % 251, seed % 241, seed % 239))
        image.putpixel((0, 0), (255 if angle is None else angle % 360 // 2, 0, 0))
        return image


class Embedder:
    """Reads the angle; a picture without one has no face."""

    name = "stub"

    def __call__(self, images):
        return [self._vector(image.getpixel((0, 0))[0]) for image in images]

    def _vector(self, stored):
        if stored == 255:
            return None
        angle = math.radians(2 * stored)
        return [math.cos(angle), math.sin(angle)]
