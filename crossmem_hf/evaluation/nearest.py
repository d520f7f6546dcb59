# SPDX-License-Identifier: Apache-2.0
"""What one gets without a model: the answer of the training row that is most like the row asked. It runs no model."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crossmem_hf.data.forms import as_row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.reading import as_seen

_LARGEST_SIDE = 64
_BLOCK = 512  # rows compared with as many others at a time
_Likeness = Callable[[slice, slice], NDArray[np.float64]]
"""Rows asked and training rows, as places -> how like each is to each; greater means more alike."""


def nearest_answers(training_rows: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The answer of the nearest training row, for each row: a control to read recall against.

    Rows with a picture are compared by raw pixels (Euclidean distance; all pictures are brought to a square of the
    smallest side among them, at most 64 pixels), rows without by the different words of their prompts, in lower case
    (Jaccard index). Words that all training rows share, such as those of a question that is always the same, do not
    count. Of equally near rows the first one answers.

    Args:
        training_rows: A `Dataset` or rows as `data.forms.as_row` reads them, with ``answer``.
        rows: The rows asked; all ask, as all training rows do, for one attribute.

    Returns:
        As many answers as there are rows.

    Raises:
        CrossmemError: No training rows, or one without an answer; rows with pictures beside rows without, or several
            pictures a row; several attributes; training prompts that all have the same words; a row or picture that
            cannot be read.

    Example:
        >>> prompts = {"Ada": "red hair, blue eyes. Who?", "Bo": "black hair, a beard. Who?"}
        >>> training = [{"prompt": prompt, "images": [], "answer": name} for name, prompt in prompts.items()]
        >>> nearest_answers(training, [{"prompt": "Someone with a black beard. Who?", "images": []}])
        ['Bo']

    Reference:
        Nearest neighbor (Cover and Hart, IEEE Transactions on Information Theory 13, 1967), the usual control for what
        can be had without learning a representation.
    """
    known = [as_row(row, f"{number} of the training set") for number, row in enumerate(training_rows)]
    asked = [as_row(row, number) for number, row in enumerate(rows)]
    if not known:
        raise CrossmemError("There are no training rows to be near to.", "Pass at least one.")
    _check([*known, *asked])
    answers = [_answer(number, row) for number, row in enumerate(known)]
    compare = _by_pixels if known[0]["images"] else _by_words
    return [answers[place] for place in _most_alike(compare(known, asked), len(known), len(asked))]


def _check(rows: Sequence[Mapping[str, Any]]) -> None:
    counts = sorted({len(row["images"]) for row in rows})
    if counts not in ([0], [1]):
        raise CrossmemError(
            f"The rows have {' and '.join(map(str, counts))} pictures; expected one in each of them, or none in any.",
            "Compare one modality at a time: a picture and a description have nothing in common to compare.",
        )
    attributes = sorted({str(row.get("attribute")) for row in rows})
    if len(attributes) > 1:
        raise CrossmemError(
            f"The rows ask for {', '.join(attributes)}; expected one attribute.",
            "Compare those of one attribute at a time: the nearest row may answer another question.",
        )


def _answer(number: int, row: Mapping[str, Any]) -> str:
    if not isinstance(row.get("answer"), str):
        raise CrossmemError(
            f"Row {number} of the training set has the answer {row.get('answer')!r}; expected a text.",
            "Give each training row an answer.",
        )
    return str(row["answer"])


def _most_alike(likeness: _Likeness, num_known: int, num_asked: int) -> list[int]:
    """For each row asked the place of the training row most like it, the first of several."""
    best, places = np.full(num_asked, -np.inf), np.zeros(num_asked, dtype=int)
    for known in _blocks(num_known):
        for asked in _blocks(num_asked):
            found = likeness(asked, known)
            first = found.argmax(axis=1)
            value = found[np.arange(len(first)), first]
            better = value > best[asked]
            places[asked] = np.where(better, known.start + first, places[asked])
            best[asked] = np.where(better, value, best[asked])
    return [int(place) for place in places]


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]


def _by_pixels(known: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]]) -> _Likeness:
    pictures = [_square(as_seen(row["images"][0]), _LARGEST_SIDE) for row in (*known, *asked)]
    side = min(picture.width for picture in pictures)
    pixels = np.stack([np.asarray(_square(picture, side)).ravel() for picture in pictures])
    theirs, ours = pixels[: len(known)], pixels[len(known) :]

    def likeness(of: slice, to: slice) -> NDArray[np.float64]:
        """Minus the squared distance, but for what all training rows have in common; exact, as all are integers."""
        near = theirs[to].astype(np.float64)
        found: NDArray[np.float64] = 2 * ours[of].astype(np.float64) @ near.T - (near**2).sum(axis=1)
        return found

    return likeness


def _square(picture: Image.Image, largest: int) -> Image.Image:
    side = min(*picture.size, largest)
    return picture if picture.size == (side, side) else picture.resize((side, side), Image.Resampling.BOX)


def _by_words(known: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]]) -> _Likeness:
    bags = [_words(row) for row in known]
    shared = set.intersection(*bags)
    theirs, ours = ([bag - shared for bag in some] for some in (bags, map(_words, asked)))
    places = {word: place for place, word in enumerate(sorted(set().union(*theirs)))}
    if not places:
        raise CrossmemError(
            f"All {len(known)} training prompts have the same words, so that none is nearer than another.",
            "Pass prompts that describe somebody.",
        )

    def counted(bags: Sequence[set[str]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        table = np.zeros((len(bags), len(places)))
        for line, bag in enumerate(bags):
            table[line, [places[word] for word in bag if word in places]] = 1
        return table, np.array([float(len(bag)) for bag in bags])

    def likeness(of: slice, to: slice) -> NDArray[np.float64]:
        (queried, own), (near, sizes) = counted(ours[of]), counted(theirs[to])
        both = queried @ near.T
        return both / np.maximum(own[:, None] + sizes - both, 1)

    return likeness


def _words(row: Mapping[str, Any]) -> set[str]:
    contents = [turn["content"] for turn in row["prompt"]]
    parts = [part for content in contents for part in ([{"text": content}] if isinstance(content, str) else content)]
    return {word for part in parts for word in re.findall(r"\w+", (part.get("text") or "").lower())}
