# SPDX-License-Identifier: Apache-2.0
"""Pictures that were cropped, blurred, compressed, noised, grayed, mirrored or partly covered. It does not know whom
they show."""

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways
from crossmem_hf.data.rows import Row
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.seeding import rng_for

Change = Callable[[Image.Image, Random], Image.Image]
"""Makes a picture of the same size; what it draws at random comes from the generator."""


def pictures(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """Predictions of rows whose pictures are shown again in each of the ways of `CHANGES`; rows without a picture are
    asked once.

    Columns as `variants.asked_in_ways` says.

    Args:
        seed: Of noise, and of what is cropped and covered.

    Raises:
        CrossmemError: No row has a picture, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = pictures(evaluator, *load_model())
        >>> found[0]["num_samples"], found[-1]["modality"], found[-1]["num_samples"]
        (8, 'text', 1)

    Reference:
        Kinds of corruption after https://huggingface.co/papers/1903.12261, in sizes of our own.
    """
    ways: dict[str, Way] = {name: partial(_shown, name=name, seed=seed) for name in CHANGES}
    return asked_in_ways(evaluator, model, processor, ways, output_dir=output_dir, made_from=made_from)


def _shown(row: Row, place: int, *, name: str, seed: int) -> Row | None:
    if not row["images"]:
        return None
    rng = rng_for(seed, "pictures", name, place)
    return {**row, "images": [CHANGES[name](picture.convert("RGB"), rng) for picture in row["images"]]}


def _cropped(picture: Image.Image, rng: Random) -> Image.Image:
    """Four fifths of either side, from anywhere, enlarged."""
    width, height = (round(0.8 * side) for side in picture.size)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height)).resize(picture.size, Image.Resampling.BICUBIC)


def _blurred(picture: Image.Image, _: Random) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 64))


def _compressed(picture: Image.Image, _: Random) -> Image.Image:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=20)
    return Image.open(stream).convert("RGB")


def _noised(picture: Image.Image, rng: Random) -> Image.Image:
    """A quarter of what noise alone would be."""
    noise = Image.frombytes("RGB", picture.size, rng.randbytes(3 * picture.width * picture.height))
    return Image.blend(picture, noise, 0.25)


def _grayed(picture: Image.Image, _: Random) -> Image.Image:
    return ImageOps.grayscale(picture).convert("RGB")


def _mirrored(picture: Image.Image, _: Random) -> Image.Image:
    return ImageOps.mirror(picture)


def _covered(picture: Image.Image, rng: Random) -> Image.Image:
    """A gray square of three tenths of the shorter side, anywhere."""
    side, covered = round(0.3 * min(picture.size)), picture.copy()
    left, top = rng.randint(0, picture.width - side), rng.randint(0, picture.height - side)
    ImageDraw.Draw(covered).rectangle((left, top, left + side - 1, top + side - 1), fill=(128, 128, 128))
    return covered


CHANGES: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "cropped": _cropped,
        "blurred": _blurred,
        "compressed": _compressed,
        "noised": _noised,
        "grayed": _grayed,
        "mirrored": _mirrored,
        "covered": _covered,
    }
)
"""Name -> what is done to a picture."""
