# SPDX-License-Identifier: Apache-2.0
"""A picture taken again as another view. It does not know who is on it, nor where it comes from."""

from PIL import Image

from crossmem_hf.rendering.background import draw_cover
from crossmem_hf.rendering.canvas import Canvas
from crossmem_hf.rendering.views import View


def retaken(picture: Image.Image, view: View, size: int) -> Image.Image:
    """The picture at `size` x `size` pixels as `view` would have it: turned, zoomed, moved, lit, tinted, grainy and
    partly covered; where it leaves the frame empty, the view's first color shows. Layout, expression and turn of the
    face stay the picture's.

    Args:
        picture: RGB, of any size; it is stretched to a square.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> from crossmem_hf.rendering.views import view_for
        >>> view = view_for(sample_personas(1)[0], "far", 0)
        >>> retaken(Image.new("RGB", (80, 80)), view, 64).size
        (64, 64)
    """
    canvas = Canvas(size, view)
    canvas.picture(picture)
    draw_cover(canvas, view)
    return canvas.finished()
