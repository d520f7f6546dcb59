# SPDX-License-Identifier: Apache-2.0
"""A sheet of sample portraits for the card. It knows where pictures go, not how they are made."""

from io import BytesIO

from PIL import Image

from crossmem_hf.data.release.population import population_of
from crossmem_hf.data.rows import recall_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import ViewSplit

NUM_PERSONAS = 8
_LARGEST_TILE = 128
_GAP = 4


def sample_views(spec: DatasetSpec) -> list[tuple[ViewSplit, int]]:
    """The views that the sheet shows of everyone, one a line of it."""
    views: list[tuple[ViewSplit, int]] = [("train", 0), ("train", 1), ("validation", 0), ("test", 0), ("test", 1)]
    views += [("far", 0), ("far", 1)]
    return [(split, index) for split, index in views if split != "train" or index < spec.num_views]


def contact_sheet(spec: DatasetSpec) -> bytes:
    """A PNG with a column for each of the first people, a line for each of `sample_views`."""
    personas = sorted(population_of(spec).targets, key=lambda person: person.index)[:NUM_PERSONAS]
    views = sample_views(spec)
    tile = min(spec.image_size, _LARGEST_TILE)
    step = tile + _GAP
    sheet = Image.new("RGB", (step * len(personas) - _GAP, step * len(views) - _GAP), "white")
    for column, person in enumerate(personas):
        for line, (split, index) in enumerate(views):
            (stored,) = recall_row(person, "image", split, index, spec.image_size)["images"]
            with Image.open(BytesIO(stored["bytes"])) as portrait:
                sheet.paste(portrait.resize((tile, tile)), (column * step, line * step))
    buffer = BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()
