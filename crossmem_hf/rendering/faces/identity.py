# SPDX-License-Identifier: Apache-2.0
"""Whether a picture shows the person it should: cosines of face embeddings. It knows vectors, not faces.

A view is kept if it is more like its own anchor than the threshold, and less like everybody else's than the same
threshold. Anchors are kept in the order of the people, each less like all that are kept than the threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    from PIL import Image

Vector = Sequence[float]
Verdict = Literal["kept", "refused", "no face", "unlike", "lookalike"]
"""Refused by the safety checker; no face, or several; unlike its own anchor; like the anchor of somebody else."""
VERDICTS: tuple[Verdict, ...] = ("kept", "refused", "no face", "unlike", "lookalike")


class Embedder(Protocol):
    """Says who a picture shows, as a direction.

    Attributes:
        name: What it is, with its version; part of what a folder of portraits depends on.
    """

    name: str

    def __call__(self, images: "Sequence[Image.Image]") -> list[Vector | None]:
        """A unit vector a picture, in their order; None where there is not exactly one face."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How a view compares.

    Attributes:
        verdict: What follows.
        own: Cosine to its own anchor, from -1 to 1.
        others: Highest cosine to the anchor of anybody else; None if there is nobody else.
        nearest: Whose anchor that is.
    """

    verdict: Verdict
    own: float
    others: float | None
    nearest: str | None


class Anchors:
    """The anchors' embeddings of everybody, to compare views with.

    Args:
        vectors: Persona id -> unit vector.

    Raises:
        CrossmemError: There are none, or their lengths differ or are not 1.

    Example:
        >>> anchors = Anchors({"a": [1.0, 0.0], "b": [0.0, 1.0]})
        >>> anchors.compare("a", [0.8, 0.6], threshold=0.7).verdict
        'kept'
        >>> anchors.compare("b", [0.8, 0.6], threshold=0.5).nearest
        'a'
    """

    def __init__(self, vectors: Mapping[str, Vector]) -> None:
        self._ids = list(vectors)
        self._places = {name: place for place, name in enumerate(self._ids)}
        self._matrix = unit_matrix(list(vectors.values()))

    def compare(self, persona_id: str, vector: Vector, threshold: float) -> Likeness:
        """How a picture of a person compares with all anchors."""
        cosines = self._matrix @ unit_matrix([vector])[0]
        place = self._places[persona_id]
        own, max_cosine, nearest = float(cosines[place]), None, None
        if len(self._ids) > 1:
            cosines[place] = -2  # below any cosine
            worst = int(cosines.argmax())
            max_cosine, nearest = float(cosines[worst]), self._ids[worst]
        verdict: Verdict = "kept"
        if own <= threshold:
            verdict = "unlike"
        elif max_cosine is not None and max_cosine >= threshold:
            verdict = "lookalike"
        return Likeness(verdict=verdict, own=own, others=max_cosine, nearest=nearest)


def apart(kept: Mapping[str, Vector], candidates: Mapping[str, Vector], threshold: float) -> dict[str, str | None]:
    """Candidate -> the kept anchor that it is too much like, or None: it is kept too, and the next must be unlike it.

    Args:
        kept: Anchors that stay.
        candidates: In the order in which they are decided.
        threshold: Cosine, from -1 to 1, below which two people are different.

    Example:
        >>> apart({"a": [1.0, 0.0]}, {"b": [0.8, 0.6], "c": [0.0, 1.0]}, threshold=0.7)
        {'b': 'a', 'c': None}
    """
    if not candidates:
        return {}
    vectors = unit_matrix([*kept.values(), *candidates.values()])
    ids, stay = [*kept, *candidates], list(range(len(kept)))
    found: dict[str, str | None] = {}
    for place, name in enumerate(candidates, start=len(kept)):
        cosines = vectors[stay] @ vectors[place]
        worst = int(cosines.argmax()) if stay else None
        if worst is not None and cosines[worst] >= threshold:
            found[name] = ids[stay[worst]]
        else:
            found[name] = None
            stay.append(place)
    return found


def check_threshold(threshold: float) -> None:
    """Accept a cosine between -1 and 1, both excluded: at either end everything would be rejected or kept.

    Raises:
        CrossmemError: It is out of range.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not -1 < threshold < 1:
        raise CrossmemError(
            f"threshold={threshold!r}; expected a cosine above -1 and below 1.",
            "Pass the value above which the face model takes two pictures for one person; "
            "crossmem portraits --calibrate FOLDER measures it.",
        )


def chosen_threshold(given: float | None, own: float | None, model: str) -> float:
    """The cosine to decide by: the given one, or else the face model's own.

    Args:
        own: None if nobody measured one.
        model: The face model's name, for the error.

    Raises:
        CrossmemError: There is neither, or it is out of range.
    """
    threshold = own if given is None else given
    if threshold is None:
        raise CrossmemError(
            f"The face model {model!r} needs a threshold: above which cosine is it the same person?",
            "Pass --threshold; crossmem portraits --calibrate FOLDER measures one on pictures of known people; "
            "or choose a face model that has one (dlib), or none.",
        )
    check_threshold(threshold)
    return threshold


def unit_matrix(vectors: Sequence[Vector]) -> Any:
    """Vectors as the rows of a float64 array.

    Raises:
        CrossmemError: There are none, or their lengths differ or are not 1.
    """
    import numpy

    lengths = {len(vector) for vector in vectors}
    if len(lengths) != 1:
        raise CrossmemError(
            f"Face embeddings have {sorted(lengths)} numbers; expected all the same.", "Use one face model for all."
        )
    matrix = numpy.asarray(vectors, dtype=numpy.float64)
    norms = numpy.linalg.norm(matrix, axis=1)
    if not numpy.allclose(norms, 1, atol=1e-3):
        raise CrossmemError(
            f"A face embedding has length {float(norms[numpy.argmax(numpy.abs(norms - 1))]):.4g}; expected 1.",
            "Divide embeddings by their length.",
        )
    return matrix
