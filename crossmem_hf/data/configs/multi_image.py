# SPDX-License-Identifier: Apache-2.0
"""Questions about two portraits at once. It does not know what is asked about one."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.population import forget_ranks, portrayed
from crossmem_hf.data.rows import Row, filled, presented
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.prompts.variants import SAME_NAME_QUESTION, SAME_PERSON_ANSWERS, SAME_PERSON_QUESTION


def multi_image_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """For each view and the next one: the name, and whether both show the same persona.

    Every other pair of the second kind is mixed: it shows someone else second, the neighbor in the order of
    forgetting, so that a forget set of even size never shows anybody retained. A population of one has no mixed pairs.
    """
    family: ViewSplit = "train" if split == "train" else "test"
    count = spec.num_views if split == "train" else NUM_HELD_OUT_VIEWS
    neighbors = _neighbors(spec)
    for persona in personas:
        other = neighbors.get(persona.id, persona)
        for first in range(count):
            second = (first + 1) % max(count, 2)
            yield same_name_row(persona, family, (first, second), spec.image_size)
            pair = (persona, other if (first + persona.index) % 2 else persona)
            yield same_person_row(pair, family, (first, second), spec.image_size)


def same_name_row(persona: Persona, split: ViewSplit, views: tuple[int, int], size: int = 64) -> Row:
    """A row that asks for the name of the persona whom two portraits show; one hop.

    Raises:
        CrossmemError: A split, view or size that rendering does not know.
    """
    images = [picture for view in views for picture in presented(persona, "image", split, view, size)]
    about = {"attribute": "full_name", "modality": "image", "hops": 1, "view": views[0], "template": f"{split}-two"}
    return filled(persona, images, SAME_NAME_QUESTION, persona.full_name, about)


def same_person_row(
    personas: tuple[Persona, Persona], split: ViewSplit, views: tuple[int, int], size: int = 64
) -> Row:
    """A row that asks whether two portraits show one persona; it is about the first of them, and needs no memory.

    Raises:
        CrossmemError: A split, view or size that rendering does not know.
    """
    images = [
        picture
        for persona, view in zip(personas, views, strict=True)
        for picture in presented(persona, "image", split, view, size)
    ]
    same = personas[0].id == personas[1].id
    template = f"{split}-two-{'same' if same else 'mixed'}"
    about = {"attribute": "same_person", "modality": "image", "hops": 0, "view": views[0], "template": template}
    return filled(personas[0], images, SAME_PERSON_QUESTION, SAME_PERSON_ANSWERS[same], about)


@lru_cache(maxsize=1)  # rows may be asked for a few personas at a time
def _neighbors(spec: DatasetSpec) -> dict[str, Persona]:
    """Persona id -> whoever stands beside them in the order of forgetting: first with second, third with fourth."""
    ranks = forget_ranks(spec.num_personas, spec.seed)
    ordered = sorted(portrayed(spec), key=lambda persona: ranks[persona.id])
    last = len(ordered) - 1
    if not last:
        return {}
    beside = [ordered[rank ^ 1] if rank ^ 1 <= last else ordered[rank - 1] for rank in range(len(ordered))]
    return {persona.id: other for persona, other in zip(ordered, beside, strict=True)}


MULTI_IMAGE = Kind(("train", "test"), multi_image_rows)
