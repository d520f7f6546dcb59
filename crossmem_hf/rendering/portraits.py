# SPDX-License-Identifier: Apache-2.0
"""A persona's portrait, drawn back to front. It knows the order of the layers, not what is inside one."""

from numbers import Integral

from PIL import Image

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona
from crossmem_hf.rendering.background import draw_background, draw_cover
from crossmem_hf.rendering.canvas import Canvas
from crossmem_hf.rendering.clothes import draw_clothes, draw_headwear, draw_neck
from crossmem_hf.rendering.face import draw_ears, draw_eyes, draw_eyewear, draw_facial_hair, draw_head, draw_mouth
from crossmem_hf.rendering.hair import draw_hair_back, draw_hair_front
from crossmem_hf.rendering.views import View

SMALLEST, LARGEST = 48, 512


def render_portrait(persona: Persona, view: View, size: int = 64) -> Image.Image:
    """An RGB portrait of `size` x `size` pixels; byte-identical for the same (persona, view, size).

    Identity is in the persona's `visual_attributes`, everything else in the view. Every value can be seen on its own
    in near views; in combination, a bob covers the ears with their studs, and a scar nearly vanishes under a beard.

    Args:
        size: Side in pixels, from 48 to 512; legible from 64.

    Raises:
        CrossmemError: The size is out of range.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> from crossmem_hf.rendering.views import view_for
        >>> person = sample_personas(1)[0]
        >>> render_portrait(person, view_for(person, "train", 0), 64).size
        (64, 64)
    """
    if not isinstance(size, Integral) or not SMALLEST <= size <= LARGEST:
        raise CrossmemError(
            f"size={size!r} pixels; portraits are drawn at whole sizes from {SMALLEST} to {LARGEST}.",
            f"Pick a size from {SMALLEST} to {LARGEST} and resize the result.",
        )
    canvas = Canvas(size, view)
    draw_background(canvas, view)
    draw_hair_back(canvas, persona.visual_attributes)
    draw_neck(canvas, persona.visual_attributes)
    draw_clothes(canvas, persona.visual_attributes)
    draw_ears(canvas, persona.visual_attributes)
    draw_head(canvas, persona.visual_attributes, view)
    draw_facial_hair(canvas, persona.visual_attributes, view)
    draw_mouth(canvas, persona.visual_attributes, view)
    draw_eyes(canvas, persona.visual_attributes, view)
    draw_hair_front(canvas, persona.visual_attributes)
    draw_eyewear(canvas, persona.visual_attributes, view)
    draw_headwear(canvas, persona.visual_attributes)
    draw_cover(canvas, view)
    return canvas.finished()
