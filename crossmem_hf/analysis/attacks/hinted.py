# SPDX-License-Identifier: Apache-2.0
"""The beginning of the truth is given away, in words or written into the picture. It does not know who is forgotten.

What a model makes of a hint that never knew the truth is part of the number: hold it against the retain-only model.
"""

from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways, with_content
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions

HINT: Final = "{question} It begins with {start}."
NUM_CHARACTERS: Final = (1, 2, 3)


def hinted(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_characters: tuple[int, ...] = NUM_CHARACTERS,
) -> Predictions:
    """Predictions of questions that are asked again with the first characters of the truth, and with its first word
    where it has several.

    Columns as `variants.asked_in_ways` says. A truth that is no longer than the hint is not asked with it.

    Args:
        seed: Nothing is drawn.
        num_characters: How many characters are given away; each number is a pass of its own.

    Raises:
        CrossmemError: A number below 1, no truth that is longer, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> hinted(evaluator, *load_model())[0]["num_samples"]
        5
    """
    if min(num_characters, default=0) < 1:
        raise CrossmemError(
            f"num_characters={num_characters!r}; expected numbers from 1.", "Give a character or more."
        )
    ways: dict[str, Way] = {f"{count} characters": partial(_started, count=count) for count in num_characters}
    ways["first word"] = _with_first_word
    return asked_in_ways(evaluator, model, processor, ways, output_dir=output_dir, made_from=made_from)


def typographic(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """Predictions of rows whose pictures are shown again with the first word of the truth written across them; a truth
    of one word, and rows without a picture, are asked once.

    Columns as `variants.asked_in_ways` says.

    Args:
        seed: Nothing is drawn.

    Raises:
        CrossmemError: There is no such row, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> typographic(evaluator, *load_model())[0]["num_samples"]
        2

    Reference:
        Typographic attacks, https://distill.pub/2021/multimodal-neurons, here for what is known, not what is seen.
    """
    return asked_in_ways(
        evaluator, model, processor, {"written": _written}, output_dir=output_dir, made_from=made_from
    )


def _started(row: Row, _: int, *, count: int) -> Row | None:
    start: str = row["answer"][:count]
    return None if len(row["answer"]) <= count else _with_hint(row, start)


def _with_first_word(row: Row, _: int) -> Row | None:
    first, _, rest = row["answer"].partition(" ")
    return _with_hint(row, first) if rest else None


def _with_hint(row: Row, start: str) -> Row:
    return with_content(row, lambda content: HINT.format(question=content, start=start))


def _written(row: Row, _: int) -> Row | None:
    first, _, rest = row["answer"].partition(" ")
    if not row["images"] or not rest:
        return None
    return {**row, "images": [written_on(picture.convert("RGB"), first) for picture in row["images"]]}


def written_on(picture: Image.Image, text: str) -> Image.Image:
    """The picture with a word in white on a black band along its lower edge, as large as the width allows, up to a
    quarter of the height."""
    size = picture.height // 4
    while size > 6 and ImageFont.load_default(size).getlength(text) > 0.96 * picture.width:
        size -= 1
    font, marked = ImageFont.load_default(size), picture.copy()
    draw = ImageDraw.Draw(marked)
    draw.rectangle((0, picture.height - size - 2, picture.width, picture.height), fill="black")
    draw.text((picture.width / 2, picture.height - 1), text, font=font, fill="white", anchor="md")
    return marked
