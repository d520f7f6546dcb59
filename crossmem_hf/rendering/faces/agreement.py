# SPDX-License-Identifier: Apache-2.0
"""Whether names and faces agree: two names with one face, or one name with several. It knows vectors and names.

A single pair of pictures proves little among thousands, so faces are compared as groups: a person's pictures fall
apart only where no picture of one part is like any of another, and two people are one only if their pictures are alike
on the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossmem_hf.rendering.faces.identity import Vector, unit_matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFace:
    """Two names that seem to be one person's.

    Attributes:
        personas: The two names.
        pictures: Numbers of the pictures of each that are alike.
        cosine: Mean over all pairs of these, from -1 to 1.
    """

    personas: tuple[str, str]
    pictures: tuple[tuple[int, ...], tuple[int, ...]]
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralFaces:
    """A name that seems to be several people's.

    Attributes:
        person: The name.
        faces: Numbers of the pictures of each face, the face with most pictures first.
    """

    person: str
    faces: tuple[tuple[int, ...], ...]


def disagreements(
    personas: Sequence[str], vectors: Sequence[Vector], threshold: float
) -> tuple[list[OneFace], list[SeveralFaces]]:
    """Names that share a face, and names with several faces, both in the order of the pictures.

    Args:
        personas: Whose each picture is said to be.
        vectors: Its face, as a unit vector.
        threshold: Cosine above which two faces are one person's, from -1 to 1.

    Raises:
        CrossmemError: Vectors that are not unit, or of different lengths.

    Example:
        >>> shared, torn = disagreements(["a", "a", "b"], [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], threshold=0.5)
        >>> shared[0].personas, shared[0].pictures, torn[0].faces
        (('a', 'b'), ((0,), (2,)), ((0,), (1,)))
    """
    if not vectors:
        return [], []
    matrix = unit_matrix(vectors)
    own: dict[str, list[int]] = {}
    for number, person in enumerate(personas):
        own.setdefault(person, []).append(number)
    faces = {person: _faces(matrix, numbers, threshold) for person, numbers in own.items()}
    torn = [SeveralFaces(person=person, faces=found) for person, found in faces.items() if len(found) > 1]
    return _shared(matrix, faces, threshold), torn


def _faces(matrix: Any, numbers: Sequence[int], threshold: float) -> tuple[tuple[int, ...], ...]:
    """Groups of pictures, each like at least one other of its group; the largest first."""
    alike = matrix[numbers] @ matrix[numbers].T > threshold
    left, groups = set(range(len(numbers))), []
    while left:
        group, fresh = set[int](), {min(left)}
        while fresh:
            group |= fresh
            fresh = {other for place in fresh for other in alike[place].nonzero()[0].tolist()} - group
        left -= group
        groups.append(tuple(numbers[place] for place in sorted(group)))
    return tuple(sorted(groups, key=len, reverse=True))


def _shared(matrix: Any, faces: dict[str, tuple[tuple[int, ...], ...]], threshold: float) -> list[OneFace]:
    import numpy

    groups = [(person, group) for person, found in faces.items() for group in found]
    # the dot product of two means is the mean of the dot products of all pairs
    means = numpy.stack([matrix[list(group)].mean(axis=0) for _, group in groups])
    shared = []
    for place, (person, group) in enumerate(groups):
        cosines = means[place + 1 :] @ means[place]
        for later in numpy.flatnonzero(cosines >= threshold).tolist():
            other, others = groups[place + 1 + later]
            if other != person:
                cosine = float(cosines[later])
                shared.append(OneFace(personas=(person, other), pictures=(group, others), cosine=cosine))
    return shared
